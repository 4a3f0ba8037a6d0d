// Reading weights by scope: a layer's initialiser descends into its own names, so it is the name map.

internal import Checkpoints
package import FileSupport
package import TensorEngine

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// The weights of a model under a name prefix, converted to the compute type as they are taken.
package struct ScopedWeights {
    private let source: ModelSource
    private let ledger: TensorLedger
    private let prefix: String
    private let computeType: ElementType

    package init(_ source: ModelSource, computeType: ElementType) {
        self.source = source
        self.computeType = computeType
        ledger = TensorLedger(source.weights)
        prefix = ""
    }

    private init(_ parent: ScopedWeights, prefix: String) {
        source = parent.source
        ledger = parent.ledger
        computeType = parent.computeType
        self.prefix = prefix
    }

    /// The weights below `name`.
    package func scoped(_ name: String) -> ScopedWeights {
        ScopedWeights(self, prefix: path(name))
    }

    /// The full Hugging Face name of this scope.
    package var path: String { prefix }

    /// The full Hugging Face name of something in this scope.
    package func path(_ name: String) -> String { prefix.isEmpty ? name : "\(prefix).\(name)" }

    /// A frozen matrix, `[output, input]` in the file.
    package func matrix(
        _ name: String, output: Int, input: Int, layout: FrozenWeight.Layout = .outputRows,
        rotaryHeads: Int? = nil
    ) throws(InputError) -> FrozenWeight {
        let matrix = try take(name, shape: [output, input], rotaryHeads: rotaryHeads)
        let tensor = try matrix.tensor(as: computeType)
        return FrozenWeight(layout == .inputRows ? tensor.transposed() : tensor, layout: layout)
    }

    /// A norm weight or bias, f32 whatever the compute type.
    ///
    /// - Parameter divisor: divides every element.
    package func vector(
        _ name: String, count: Int, rotaryHeads: Int? = nil, divisor: Float = 1
    ) throws(InputError) -> Tensor {
        let matrix = try take(name, shape: [count], rotaryHeads: rotaryHeads)
        let tensor = Tensor(rowCount: 1, width: count, type: .float32)
        try matrix.decode(rows: 0..<1, into: tensor)
        if divisor != 1 { tensor.divide(by: divisor) }
        return tensor
    }

    /// The module that stores this scope's weights, and that adapters adapt.
    func module(output: Int) -> ModulePart {
        let components = prefix.split(separator: ".").map(String.init)
        for fused in source.family.fusedProjections {
            guard let index = fused.parts.firstIndex(where: { $0 == components.last }) else { continue }
            let widths = fused.parts.map { source.configuration.outputWidth(ofProjection: $0) }
            let start = widths[..<index].reduce(0, +)
            let parent = components.dropLast() + [fused.name]
            return ModulePart(
                moduleName: parent.joined(separator: "."), moduleWidth: widths.reduce(0, +),
                rows: start..<start + output)
        }
        return ModulePart(moduleName: prefix, moduleWidth: output, rows: 0..<output)
    }

    /// - Parameter rotaryHeads: the heads of a q or k weight, whose rows GGUF files may hold in another order.
    private func take(
        _ name: String, shape: [Int], rotaryHeads: Int?
    ) throws(InputError) -> StoredMatrix {
        let module = module(output: shape[0])
        let fullName = "\(module.moduleName).\(name)"
        let stored = try ledger.take(
            source.storedName(ofTensor: fullName), shape: [module.moduleWidth] + shape.dropFirst())
        return source.asInHuggingFace(
            module.isWhole ? stored : stored.slice(module.rows), name: fullName, rotaryHeads: rotaryHeads)
    }

    /// Accounts for what may be left unread without harm, then throws when anything else was.
    package func finish() throws(InputError) {
        if source.gguf != nil {
            for name in [
                GGUFKeys.rotaryDivisors, GGUFKeys.shortRotaryDivisors, GGUFKeys.longRotaryDivisors,
            ] {
                ledger.ignore(name)
            }
        }
        for name in ledger.unused where name.hasSuffix("rotary_emb.inv_freq") { ledger.ignore(name) }
        // What reads images.
        if source.gguf == nil {
            for name in ledger.unused where source.huggingFaceName(ofStored: name) == nil {
                ledger.ignore(name)
            }
        }
        try ignoreTiedHead()
        try ledger.finish()
    }

    /// Some files of tied models store the head as well. One that differs from the embedding is another model.
    private func ignoreTiedHead() throws(InputError) {
        let name = source.storedName(ofTensor: "lm_head.weight")
        guard source.configuration.tiesEmbeddings, source.gguf == nil, source.weights.contains(name) else {
            return
        }
        let head = try source.weights.tensor(named: name)
        let table = try source.weights.tensor(
            named: source.storedName(ofTensor: "\(source.decoderName).embed_tokens.weight"))
        let isDuplicate =
            head.shape == table.shape && head.type == table.type
            && head.withBytes { left in table.withBytes { right in haveEqualBytes(left, right) } }
        guard isDuplicate else {
            throw InputError(
                head.location,
                "it differs from the embedding table, yet the configuration says that they are tied",
                advice: "Set tie_word_embeddings to false in config.json if the head is meant.")
        }
        ledger.ignore(name)
    }

    private func haveEqualBytes(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
        guard left.count == right.count else { return false }
        guard let first = left.baseAddress, let second = right.baseAddress else { return true }
        return memcmp(first, second, left.count) == 0
    }
}

extension ModelSource {
    /// A stored tensor with what undoes GGUF conversion: the row order of q and k, the offset of norms.
    ///
    /// - Parameter name: the Hugging Face name.
    func asInHuggingFace(_ stored: StoredTensor, name: String, rotaryHeads: Int?) -> StoredMatrix {
        guard gguf != nil else { return StoredMatrix(stored: stored, rowOrder: nil) }
        if name.hasSuffix("norm.weight") {
            return StoredMatrix(stored: stored, rowOrder: nil, addend: -family.normOffset)
        }
        guard let rotaryHeads, family.permutesRotaryRowsInGGUF else {
            return StoredMatrix(stored: stored, rowOrder: nil)
        }
        let order = StoredMatrix.unpermutedRotaryRows(heads: rotaryHeads, headWidth: configuration.headWidth)
        return StoredMatrix(stored: stored, rowOrder: order)
    }
}
