// What is missing for model types that people are likely to bring and this version cannot run.

import FileSupport

extension Family {
    /// - Parameter fields: the model's configuration, which may say more than its type.
    static func unsupported(
        modelType: String, _ fields: ConfigurationFields?, location: String
    ) -> InputError {
        let missing = missingFor(modelType: modelType) ?? fields.flatMap(missingFor)
        let supported = "Supported: \(all.map(\.modelType).joined(separator: ", "))."
        return InputError(
            location,
            "the model type \"\(modelType.prefix(60))\" is not supported" + (missing.map { ": \($0)" } ?? ""),
            advice: supported)
    }

    /// - Parameter name: `general.architecture`
    static func unsupported(ggufArchitecture name: String, location: String) -> InputError {
        var names: [String] = []
        for family in all where !names.contains(family.ggufArchitecture) {
            names.append(family.ggufArchitecture)
        }
        let missing = missingFor(modelType: name)
        return InputError(
            location,
            "the architecture \"\(name.prefix(60))\" is not supported" + (missing.map { ": \($0)" } ?? ""),
            advice: "Supported: \(names.joined(separator: ", ")).")
    }

    private static func missingFor(modelType: String) -> String? {
        missing.first { entry in entry.types.contains(modelType) }?.what
    }

    /// Types that nobody listed, by keys that give their kind away.
    private static func missingFor(_ fields: ConfigurationFields) -> String? {
        if ["num_experts", "num_local_experts", "n_routed_experts"].contains(where: fields.has) {
            return experts
        }
        if fields.has("kv_lora_rank") { return latentAttention }
        if ["ssm_cfg", "state_size", "mamba_d_state", "ssm_state_size"].contains(where: fields.has) {
            return stateSpace
        }
        if ["vision_config", "audio_config"].contains(where: fields.has) { return severalInputs }
        if (try? fields.bool("is_encoder_decoder", default: false)) == true { return encoder }
        return nil
    }

    private static let experts = "mixtures of experts are missing"
    private static let stateSpace = "state-space and recurrent layers are missing"
    private static let latentAttention = "multi-head latent attention is missing"
    private static let severalInputs = "models that read images or sound are missing"
    private static let encoder = "encoders are missing"
    private static let layerNorm = "layer norms with means are missing"

    private static let missing: [(what: String, types: Set<String>)] = [
        (
            experts,
            [
                "mixtral", "qwen2_moe", "qwen2moe", "qwen3_moe", "qwen3moe", "granitemoe", "olmoe", "phimoe",
                "gpt_oss", "gpt-oss", "dbrx", "glm4_moe", "llama4", "llama4_text", "ernie4_5_moe", "minimax",
            ]
        ),
        (
            "\(latentAttention), and so are mixtures of experts",
            ["deepseek_v2", "deepseek_v3", "deepseek2", "kimi_k2"]
        ),
        (
            stateSpace,
            [
                "mamba", "mamba2", "falcon_mamba", "jamba", "bamba", "zamba", "zamba2", "rwkv", "rwkv7",
                "recurrent_gemma", "granitemoehybrid", "granitehybrid", "nemotron_h", "falcon_h1", "lfm2",
                "qwen3_next",
            ]
        ),
        (
            severalInputs,
            [
                "llava", "llava_next", "qwen2_vl", "qwen2_5_vl", "qwen2vl", "qwen3_vl", "mllama", "idefics3",
                "smolvlm", "paligemma", "mistral3", "phi3_v", "phi4mm", "gemma3n", "internvl",
            ]
        ),
        (encoder, ["bert", "roberta", "t5", "bart", "modernbert", "whisper", "nomic-bert"]),
        (
            layerNorm,
            [
                "gpt2", "gpt_neox", "gptneox", "gptj", "opt", "bloom", "falcon", "mpt", "phi", "phi2",
                "stablelm",
                "starcoder2", "cohere", "cohere2", "command-r", "olmo", "nemotron",
            ]
        ),
        ("an activation without a gate is missing", ["gpt_bigcode", "arcee"]),
        ("query scales that grow with the position are missing", ["ministral3"]),
    ]
}
