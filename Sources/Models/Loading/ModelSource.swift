// A model on disk, opened but not loaded: its configuration, and its weights under Hugging Face names.

package import Checkpoints
package import FileSupport

/// A Hugging Face model folder or a GGUF file.
package final class ModelSource {
    package let path: String
    package let family: Family
    package let configuration: DecoderConfiguration
    package let weights: any WeightSource
    /// The Hugging Face name of the decoder: `model`, or where a model of images and text has it.
    package let decoderName: String
    /// Tokens that end a generation, from generation_config.json, config.json or GGUF metadata; may be empty.
    package let endTokens: [Int32]

    /// The GGUF file when the model is one: tokenizer and template live in its metadata.
    package var gguf: GGUFFile? { weights as? GGUFFile }

    /// Opens a folder that holds config.json and safetensors, or a GGUF file.
    ///
    /// Reads headers only.
    /// - Throws: `InputError` when something is missing, damaged, or of a kind that this version does not support.
    package init(path: String) throws(InputError) {
        self.path = path
        switch FileStatus(path: path) {
        case .folder:
            let fields = try ConfigurationFields(fileAt: "\(path)/config.json")
            // The model type first: the rest of an unknown model's configuration would only confuse.
            let type = try fields.string("model_type")
            let wrapped = Family.all.first { $0.wrapperModelType == type }
            let text = wrapped == nil ? nil : try fields.fields("text_config")
            family =
                if let wrapped, text != nil { wrapped } else {
                    try Family.named(modelType: type, fields, location: "\(path)/config.json model_type")
                }
            decoderName = text == nil ? "model" : DecoderNames.wrapped
            try DecoderConfiguration.refuseUnsupported(fields)
            configuration = try DecoderConfiguration(text ?? fields, family: family)
            endTokens = try Self.endTokens(folder: path, [fields, text].compactMap(\.self), configuration)
            weights = try SafetensorsFolder(path: path)
        case .missing:
            throw InputError(
                path, "there is no such file or folder",
                advice: "Give a Hugging Face model folder or a GGUF file.")
        default:
            guard let file = try Weights.open(path) as? GGUFFile else {
                throw InputError(
                    path, "a safetensors file alone does not say what model it is",
                    advice: "Give the folder that also holds config.json.")
            }
            let key = "general.architecture"
            let architecture = try file.metadata.string(key)
            family = try Family.named(
                ggufArchitecture: architecture,
                hasWindow: file.metadata["\(architecture).attention.sliding_window"] != nil,
                location: "\(path) metadata \(key)")
            configuration = try DecoderConfiguration(file, family: family)
            endTokens = try Self.endTokens(file, configuration)
            decoderName = "model"
            weights = file
        }
    }

    private static func endTokens(
        folder: String, _ fields: [ConfigurationFields], _ configuration: DecoderConfiguration
    ) throws(InputError) -> [Int32] {
        var candidates = fields
        let generationPath = "\(folder)/generation_config.json"
        if FileStatus(path: generationPath) == .file {
            candidates.insert(try ConfigurationFields(fileAt: generationPath), at: 0)
        }
        for candidate in candidates {
            guard let value = candidate.value("eos_token_id") else { continue }
            let numbers = value.arrayValue ?? [value]
            var tokens: [Int32] = []
            for number in numbers {
                guard let token = number.integerValue, (0..<configuration.vocabularySize).contains(token)
                else {
                    throw InputError(
                        "\(candidate.location) eos_token_id",
                        expected: "token numbers below \(configuration.vocabularySize)",
                        found: value.serialized().prefix(60).description)
                }
                tokens.append(Int32(token))
            }
            return tokens
        }
        return []
    }

    private static func endTokens(
        _ file: GGUFFile, _ configuration: DecoderConfiguration
    ) throws(InputError) -> [Int32] {
        var tokens: [Int32] = []
        for key in ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"]
        where file.metadata[key] != nil {
            let token = try file.metadata.integer(key)
            guard (0..<configuration.vocabularySize).contains(token) else {
                throw InputError(
                    "\(file.path) metadata \(key)",
                    expected: "a token number below \(configuration.vocabularySize)", found: "\(token)")
            }
            if !tokens.contains(Int32(token)) { tokens.append(Int32(token)) }
        }
        return tokens
    }
}
