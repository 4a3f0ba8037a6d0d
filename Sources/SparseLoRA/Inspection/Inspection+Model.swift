// What a model is: shape, parameters, tokenizer, memory.

internal import Checkpoints
internal import FileSupport
internal import Models
internal import TensorEngine
internal import Tokenization

extension Inspection {
    static func modelReport(_ path: String, listsTensors: Bool) throws(InputError) -> InspectionReport {
        let source = try ModelSource(path: path)
        let shape = source.configuration
        var report = InspectionReport(title: "model \(path)")
        report.add("family", .string(source.family.modelType))
        var parameters = 0
        for name in source.weights.tensorNames {
            parameters += try source.weights.tensor(named: name).elementCount
        }
        report.add("parameters", .integer(parameters))
        report.add("layers", .integer(shape.layerCount))
        report.add("width", .integer(shape.width))
        report.add("feed-forward width", .integer(shape.feedForwardWidth))
        report.add("heads", .integer(shape.headCount))
        report.add("key-value heads", .integer(shape.keyValueHeadCount))
        report.add("head width", .integer(shape.headWidth))
        report.add("vocabulary", .integer(shape.vocabularySize))
        report.add("longest sequence", .integer(shape.maximumPositions))
        report.add("tied embeddings", .bool(shape.tiesEmbeddings))
        report.add(
            "memory bfloat16", .integer(try MemoryNeed(source, computeType: .bfloat16).weightBytes))
        report.add("memory float32", .integer(try MemoryNeed(source, computeType: .float32).weightBytes))
        let tokenizer = try LanguageModel.tokenizer(of: source)
        report.add("tokens", .integer(tokenizer.vocabularySize))
        let special = tokenizer.specialTokens
        for (name, id) in [
            ("begins a text", special.beginningOfText), ("ends a text", special.endOfText),
            ("padding", special.padding),
        ] {
            if let id { report.add(name, .string("\(id) \(tokenizer.token(of: id) ?? "")")) }
        }
        report.add(
            "ends a turn",
            .string(
                special.endOfTurn.map { "\($0) \(tokenizer.token(of: $0) ?? "")" }.joined(separator: ", ")))
        report.add("chat template", .bool(tokenizer.chatTemplates["default"] != nil))
        try addTensors(of: source.weights, listsAll: listsTensors, to: &report)
        return report
    }
}
