// Folding adapters into the weights: W + scale * B A, in memory or into a new model folder.

package import Checkpoints
package import FileSupport
package import Models
package import TensorEngine

extension LowRankPair {
    /// weight += scale * B A for the rows `rows` of the [out, in] matrix; `weight` is f32 [rows, in].
    fileprivate func add(to weight: Tensor, rows: Range<Int>, on backend: any Backend) {
        let product = MatrixProduct(
            MatrixOperand(bValue.rows(rows)), MatrixOperand(a.value, transposed: true), scale: scale)
        backend.multiply([product], into: MatrixOutput(weight, accumulates: true))
    }

    /// The same for a whole weight stored [in, out].
    fileprivate func addTransposed(to weight: Tensor, on backend: any Backend) {
        let product = MatrixProduct(
            MatrixOperand(a.value, transposed: true), MatrixOperand(bValue), scale: scale)
        backend.multiply([product], into: MatrixOutput(weight, accumulates: true))
    }
}

extension AdapterSet {
    /// Replaces the adapted weights of the loaded model by merged ones and removes the adapters.
    ///
    /// Sums in f32 and rounds once to the model's compute type.
    package func merge(into model: CausalLM) {
        let backend = model.backend
        let names = Set(adapters.map(\.moduleName))
        for linear in model.linears where names.contains(linear.module.moduleName) {
            guard let pair = linear.adapter else { continue }
            let old = linear.weight.tensor
            let sum = backend.makeTensor(rowCount: old.rowCount, width: old.width, type: .float32)
            backend.copy(old, scale: 1, into: sum)
            switch linear.weight.layout {
            case .outputRows: pair.add(to: sum, rows: 0..<old.rowCount, on: backend)
            case .inputRows: pair.addTransposed(to: sum, on: backend)
            }
            var merged = sum
            if old.type != .float32 {
                merged = backend.makeTensor(rowCount: old.rowCount, width: old.width, type: old.type)
                backend.copy(sum, scale: 1, into: merged)
            }
            linear.replaceWeight(FrozenWeight(merged, layout: linear.weight.layout))
        }
        remove(from: model)
    }

    /// Writes a complete Hugging Face model folder with the adapters merged in.
    ///
    /// Base weights are read from the source in full precision, row by row, so memory stays small whatever the model.
    /// The folder appears at once when everything is written.
    /// - Parameters:
    ///   - source: the base model that the adapters were trained on.
    ///   - folder: must not exist, or be empty.
    ///   - type: F32, F16 or BF16; nil keeps what each weight is stored as, bf16 where that is quantised.
    ///   - writeTokenizer: for GGUF sources, which hold no tokenizer files; receives the folder being written.
    /// - Throws: `InputError` when the source cannot be read, does not fit the adapters, or the folder cannot be written.
    package func writeMerged(
        _ source: ModelSource, to folder: String, backend: any Backend, as type: StoredType? = nil,
        maximumShardBytes: Int = 5_000_000_000,
        writeTokenizer: (_ folder: String) throws(InputError) -> Void
    ) throws(InputError) {
        let tensors = try mergedTensors(of: source, as: type, backend: backend)
        let matrixType = tensors.first { $0.shape.count == 2 }?.type ?? .float32
        try AtomicFolder.write(to: folder) { partial throws(InputError) in
            _ = try SafetensorsWriter.write(tensors, toFolder: partial, maximumShardBytes: maximumShardBytes)
            let configuration = try source.huggingFaceConfiguration(storedAs: matrixType)
            try Self.write(configuration, to: "\(partial)/config.json")
            if source.gguf != nil {
                try Self.write(
                    source.huggingFaceGenerationConfiguration(), to: "\(partial)/generation_config.json")
                try writeTokenizer(partial)
            } else {
                try CompanionFiles.copy(from: source.path, to: partial)
            }
        }
    }

    private static func write(_ object: JSONObject, to path: String) throws(InputError) {
        try AtomicFile.write(to: path, text: JSONValue.object(object).serialized(pretty: true) + "\n")
    }

    private func mergedTensors(
        of source: ModelSource, as type: StoredType?, backend: any Backend
    ) throws(InputError) -> [OutputTensor] {
        var pairs: [String: LowRankPair] = [:]
        for (moduleName, pair) in adapters { pairs["\(moduleName).weight"] = pair }
        var tensors: [OutputTensor] = []
        for storedName in source.weights.tensorNames {
            guard let name = source.huggingFaceName(ofStored: storedName) else {
                // The rest of a model of images and text stays; GGUF files hold more that config.json says.
                if source.gguf == nil {
                    tensors.append(OutputTensor(try source.weights.tensor(named: storedName)))
                }
                continue
            }
            let matrix = try source.matrix(named: name)
            let pair = pairs.removeValue(forKey: name)
            if let pair { try Self.check(pair, fits: matrix) }
            // A folder keeps its names, whatever transformers calls them now.
            let newName = source.gguf == nil ? storedName : name
            tensors.append(Self.merged(matrix, name: newName, pair, as: type, backend: backend))
        }
        if let name = pairs.keys.sorted().first {
            throw InputError(source.path, "the adapter is for \(name), which this model does not have")
        }
        return tensors
    }

    private static func check(_ pair: LowRankPair, fits matrix: StoredMatrix) throws(InputError) {
        let expected = [pair.b.value.rowCount, pair.a.value.width]
        guard matrix.stored.shape == expected else {
            throw InputError(
                matrix.stored.location, expected: "shape \(expected), that of its adapter",
                found: "\(matrix.stored.shape)")
        }
    }

    /// Rows that are decoded at once hold about this many values.
    private static let valuesAtOnce = 1 << 22

    private static func merged(
        _ matrix: StoredMatrix, name: String, _ pair: LowRankPair?, as type: StoredType?, backend: any Backend
    ) -> OutputTensor {
        let stored = matrix.stored
        let isFloat = [.float32, .float16, .bfloat16].contains(stored.type)
        let target = type ?? (isFloat ? stored.type : .bfloat16)
        if pair == nil, matrix.isAsStored, target == stored.type || !stored.isDecodable {
            return OutputTensor(stored, name: name)
        }
        return OutputTensor(name: name, type: target, shape: stored.shape) { sink throws(InputError) in
            let rowsAtOnce = max(1, valuesAtOnce / max(1, matrix.width))
            for start in stride(from: 0, to: matrix.rowCount, by: rowsAtOnce) {
                let rows = start..<min(start + rowsAtOnce, matrix.rowCount)
                let part = Tensor(rowCount: rows.count, width: matrix.width, type: .float32)
                try matrix.decode(rows: rows, into: part)
                pair?.add(to: part, rows: rows, on: backend)
                try backend.download(part).span.withUnsafeBufferPointer { values throws(InputError) in
                    try OutputTensor.encode(values, as: target, to: sink)
                }
            }
        }
    }
}
