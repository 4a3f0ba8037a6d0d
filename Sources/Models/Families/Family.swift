// Model families as data: what a family is called in files, and what distinguishes its decoder from the others'.

import FileSupport

/// One family of decoders. A new family that fits the decoder is a new row of `all`.
package struct Family: Sendable {
    /// `model_type` in Hugging Face configurations.
    package let modelType: String
    /// The class in `architectures` of Hugging Face configurations.
    package let className: String
    /// `general.architecture` in GGUF files, also the prefix of its metadata keys.
    package let ggufArchitecture: String
    /// GGUF files store the rows of q and k so that rotated pairs are neighbours.
    package let permutesRotaryRowsInGGUF: Bool
    package let normOffset: Float
    /// Modules outside the layers, Hugging Face name beside GGUF name.
    package let modelModules: [ModuleName]
    /// Modules of one layer, likewise.
    package let layerModules: [ModuleName]

    package struct ModuleName: Sendable {
        let huggingFace: String
        let gguf: String

        init(_ huggingFace: String, _ gguf: String) {
            self.huggingFace = huggingFace
            self.gguf = gguf
        }
    }

    package static let all: [Family] = [
        Family(
            modelType: "llama", className: "LlamaForCausalLM", ggufArchitecture: "llama",
            permutesRotaryRowsInGGUF: true, normOffset: 0, modelModules: standardModelModules,
            layerModules: standardLayerModules)
    ]

    private static let standardModelModules = [
        ModuleName("model.embed_tokens", "token_embd"),
        ModuleName("model.norm", "output_norm"),
        ModuleName("lm_head", "output"),
    ]

    private static let standardLayerModules = [
        ModuleName("input_layernorm", "attn_norm"),
        ModuleName("self_attn.q_proj", "attn_q"),
        ModuleName("self_attn.k_proj", "attn_k"),
        ModuleName("self_attn.v_proj", "attn_v"),
        ModuleName("self_attn.o_proj", "attn_output"),
        ModuleName("post_attention_layernorm", "ffn_norm"),
        ModuleName("mlp.gate_proj", "ffn_gate"),
        ModuleName("mlp.up_proj", "ffn_up"),
        ModuleName("mlp.down_proj", "ffn_down"),
    ]
}

extension Family {
    static func named(modelType: String, location: String) throws(InputError) -> Family {
        if let family = all.first(where: { $0.modelType == modelType }) { return family }
        throw InputError(
            location, "the model type \"\(modelType.prefix(60))\" is not supported",
            advice: "Supported: \(all.map(\.modelType).joined(separator: ", ")).")
    }

    static func named(ggufArchitecture name: String, location: String) throws(InputError) -> Family {
        if let family = all.first(where: { $0.ggufArchitecture == name }) { return family }
        throw InputError(
            location, "the architecture \"\(name.prefix(60))\" is not supported",
            advice: "Supported: \(all.map(\.ggufArchitecture).joined(separator: ", ")).")
    }

    /// `model.layers.3.self_attn.q_proj.weight` -> `blk.3.attn_q.weight`; nil for a name that the family lacks.
    package func ggufName(ofTensor name: String) -> String? {
        translate(name, layerPrefix: "model.layers.", to: "blk.", from: \.huggingFace, into: \.gguf)
    }

    /// `blk.3.attn_q.weight` -> `model.layers.3.self_attn.q_proj.weight`; nil for a name that the family lacks.
    package func huggingFaceName(ofTensor name: String) -> String? {
        translate(name, layerPrefix: "blk.", to: "model.layers.", from: \.gguf, into: \.huggingFace)
    }

    private func translate(
        _ name: String, layerPrefix: String, to newPrefix: String, from: KeyPath<ModuleName, String>,
        into: KeyPath<ModuleName, String>
    ) -> String? {
        guard let dot = name.lastIndex(of: ".") else { return nil }
        let module = name[..<dot]
        let parameter = name[dot...]
        guard module.hasPrefix(layerPrefix) else {
            return modelModules.first { $0[keyPath: from] == module }.map { $0[keyPath: into] + parameter }
        }
        let rest = module.dropFirst(layerPrefix.count)
        guard let end = rest.firstIndex(of: ".") else { return nil }
        let inner = rest[rest.index(after: end)...]
        return layerModules.first { $0[keyPath: from] == inner }
            .map { "\(newPrefix)\(rest[..<end]).\($0[keyPath: into])\(parameter)" }
    }
}
