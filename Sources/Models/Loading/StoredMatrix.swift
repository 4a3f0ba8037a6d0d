// A stored weight in the row order that the decoder uses.

package import Checkpoints
package import FileSupport
package import TensorEngine

/// A matrix or vector of a model file, with the order in which its rows (of a vector: its elements) are to be read.
package struct StoredMatrix {
    package let stored: StoredTensor
    /// Row i is the stored row `rowOrder[i]`; nil for the stored order.
    package let rowOrder: [Int]?
    /// Added to every element; not 0 only for vectors.
    let addend: Float

    init(stored: StoredTensor, rowOrder: [Int]?, addend: Float = 0) {
        self.stored = stored
        self.rowOrder = rowOrder
        self.addend = addend
    }

    /// The file's bytes are the values, row after row.
    package var isAsStored: Bool { rowOrder == nil && addend == 0 }

    package var rowCount: Int { stored.rowCount }
    package var width: Int { stored.rowWidth }

    /// Decodes rows into a contiguous f32 or bf16 tensor [rows, width].
    ///
    /// - Throws: `InputError` when the tensor does not hold floating-point weights.
    package func decode(rows: Range<Int>, into output: Tensor) throws(InputError) {
        precondition(
            output.isContiguous && output.rowCount == rows.count && output.width == width,
            "decode: rows \(rows) of \(stored.shape) into \(output.shapeDescription)")
        guard let rowOrder else {
            try decodeStored(rows, into: output)
            if addend != 0 { add(to: output) }
            return
        }
        if stored.shape.count == 1 { return try decodeReordered(rowOrder, into: output) }
        for (index, row) in rows.enumerated() {
            try decodeStored(rowOrder[row]..<rowOrder[row] + 1, into: output.rows(index..<index + 1))
        }
    }

    private func decodeReordered(_ order: [Int], into output: Tensor) throws(InputError) {
        precondition(output.type == .float32, "decode: a vector into \(output.shapeDescription)")
        let values = try stored.float32Values()
        let address = output.storage.address + output.offset * output.type.byteCount
        let target = address.assumingMemoryBound(to: Float.self)
        for (index, element) in order.enumerated() { target[index] = values[element] }
        extendLifetime(output.storage)
    }

    private func add(to output: Tensor) { output.mapValues { $0 + addend } }

    private func decodeStored(_ rows: Range<Int>, into output: Tensor) throws(InputError) {
        let address = output.storage.address + output.offset * output.type.byteCount
        switch output.type {
        case .float32:
            let target = address.assumingMemoryBound(to: Float.self)
            try stored.decode(
                rows: rows, into: UnsafeMutableBufferPointer(start: target, count: output.count))
        case .bfloat16:
            let target = address.assumingMemoryBound(to: UInt16.self)
            try stored.decode(
                rows: rows, intoBFloat16: UnsafeMutableBufferPointer(start: target, count: output.count))
        case .int32: preconditionFailure("decode: weights into indices")
        }
        extendLifetime(output.storage)
    }

    /// Everything, in `type`: a copy even where the file's own bytes are that. They lie in small pages, between which
    /// the processor does not fetch ahead; the pool's are large.
    package func tensor(as type: ElementType) throws(InputError) -> Tensor {
        let tensor = Tensor(rowCount: rowCount, width: width, type: type)
        try decode(rows: 0..<rowCount, into: tensor)
        stored.releasePages()
        return tensor
    }

    /// The order that brings q and k rows of a Llama GGUF file back: there, the two channels of a rotated pair are
    /// neighbours (2i, 2i + 1); here, they stand half a head apart (i, i + K / 2).
    static func unpermutedRotaryRows(heads: Int, headWidth: Int) -> [Int] {
        let half = headWidth / 2
        return (0..<heads * headWidth).map { row in
            let (head, channel) = row.quotientAndRemainder(dividingBy: headWidth)
            return head * headWidth + (channel < half ? 2 * channel : 2 * (channel - half) + 1)
        }
    }
}

extension Tensor {
    /// Divides a vector that was just loaded.
    func divide(by divisor: Float) { mapValues { $0 / divisor } }

    fileprivate func mapValues(_ change: (Float) -> Float) {
        precondition(type == .float32 && isContiguous, "mapValues: \(shapeDescription)")
        let target = (storage.address + offset * type.byteCount).assumingMemoryBound(to: Float.self)
        for index in 0..<count { target[index] = change(target[index]) }
        extendLifetime(storage)
    }
}

extension ModelSource {
    /// A weight or bias by its Hugging Face name, rows in Hugging Face's order, for readers other than the decoder.
    ///
    /// - Throws: `InputError` when there is none, or when its shape does not suit the configuration.
    package func matrix(named name: String) throws(InputError) -> StoredMatrix {
        let stored = try weights.tensor(named: storedName(ofTensor: name))
        let heads: Int? =
            if name.contains(".q_proj.") {
                configuration.headCount
            } else if name.contains(".k_proj.") {
                configuration.keyValueHeadCount
            } else {
                nil
            }
        if let heads, stored.shape.first != heads * configuration.headWidth {
            throw InputError(
                stored.location, expected: "\(heads * configuration.headWidth) outputs",
                found: "\(stored.shape)")
        }
        return asInHuggingFace(stored, name: name, rotaryHeads: heads)
    }
}
