// config.json and generation_config.json for a model that came without them: from GGUF to a Hugging Face folder.

package import Checkpoints
package import FileSupport
import TensorEngine

extension ModelSource {
    /// The model's config.json with weights stored as `type`: its own when it has one, else made from the metadata.
    ///
    /// - Throws: `InputError` when the configuration cannot be read again or expressed.
    package func huggingFaceConfiguration(storedAs type: StoredType) throws(InputError) -> JSONObject {
        let typeName = Self.typeName(type)
        guard gguf != nil else {
            var object = try ConfigurationFields(fileAt: "\(path)/config.json").object
            // transformers 5 writes "dtype", earlier versions "torch_dtype".
            for key in ["dtype", "torch_dtype"] where object[key] != nil { object[key] = .string(typeName) }
            return object
        }
        let c = configuration
        var object = JSONObject([
            ("architectures", .array([.string(family.className)])),
            ("head_dim", .integer(c.headWidth)),
            ("hidden_size", .integer(c.width)),
            ("intermediate_size", .integer(c.feedForwardWidth)),
            ("max_position_embeddings", .integer(c.maximumPositions)),
            ("model_type", .string(family.modelType)),
            ("num_attention_heads", .integer(c.headCount)),
            ("num_hidden_layers", .integer(c.layerCount)),
            ("num_key_value_heads", .integer(c.keyValueHeadCount)),
            ("rms_norm_eps", Self.shortest(c.normEpsilon)),
            ("tie_word_embeddings", .bool(c.tiesEmbeddings)),
            ("torch_dtype", .string(typeName)),
            ("vocab_size", .integer(c.vocabularySize)),
        ])
        let familyKeys = try [
            biasKeys(), activationKeys(), windowKeys(), scaleKeys(), rotaryKeys(),
            huggingFaceGenerationConfiguration().members,
        ]
        for (key, value) in familyKeys.joined() { object[key] = value }
        return object
    }

    /// What generation_config.json says for a GGUF model: its begin, end and padding tokens.
    package func huggingFaceGenerationConfiguration() throws(InputError) -> JSONObject {
        var object = JSONObject()
        let ends = endTokens.map { JSONValue.integer(Int($0)) }
        if let first = ends.first { object["eos_token_id"] = ends.count == 1 ? first : .array(ends) }
        for (key, name) in [("bos", "bos_token_id"), ("padding", "pad_token_id")] {
            let metadataKey = "tokenizer.ggml.\(key)_token_id"
            guard let metadata = gguf?.metadata, metadata[metadataKey] != nil else { continue }
            object[name] = .integer(try metadata.integer(metadataKey))
        }
        return object
    }

    private static func typeName(_ type: StoredType) -> String {
        switch type {
        case .float32: "float32"
        case .float16: "float16"
        case .bfloat16: "bfloat16"
        default: preconditionFailure("models are not written as \(type.rawValue)")
        }
    }
}
