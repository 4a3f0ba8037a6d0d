// The families that this version knows: one row each.

import TensorEngine

extension Family {
    package static let all: [Family] = [
        Family(
            modelType: "llama", className: "LlamaForCausalLM", ggufArchitecture: "llama",
            permutesRotaryRowsInGGUF: true),
        Family(
            modelType: "mistral", className: "MistralForCausalLM", ggufArchitecture: "llama",
            permutesRotaryRowsInGGUF: true, attentionBias: .none, windows: .everyLayer,
            defaults: Defaults(maximumPositions: 131_072, keyValueHeadCount: 8)),
        Family(
            modelType: "qwen2", className: "Qwen2ForCausalLM", ggufArchitecture: "qwen2",
            attentionBias: .queryKeyValue, windows: .upperLayers,
            defaults: Defaults(maximumPositions: 32_768, keyValueHeadCount: 32)),
        Family(
            modelType: "qwen3", className: "Qwen3ForCausalLM", ggufArchitecture: "qwen3",
            queryKeyNorm: .headwise, windows: .upperLayers,
            defaults: Defaults(headWidth: 128, maximumPositions: 32_768, keyValueHeadCount: 32),
            layerModules: standardLayerModules + queryKeyNorms),
        Family(
            modelType: "gemma", className: "GemmaForCausalLM", ggufArchitecture: "gemma",
            normOffset: 1, scalesEmbeddings: true,
            defaults: Defaults(
                activation: .geluTanh, plainGELU: .geluTanh, headWidth: 256, tiesEmbeddings: true,
                maximumPositions: 8192, keyValueHeadCount: 16)),
        Family(
            modelType: "gemma2", className: "Gemma2ForCausalLM", ggufArchitecture: "gemma2",
            normOffset: 1, normPlacement: .around, windows: .allButEvery(2), scalesEmbeddings: true,
            queryScale: .configured(exceptionalLayerCounts: [46]), attentionSoftcap: 50, logitSoftcap: 30,
            defaults: gemmaDefaults, layerModules: sandwichLayerModules),
        // transformers computes no cap of attention scores in Gemma 3, whatever the configuration says.
        Family(
            modelType: "gemma3_text", wrapperModelType: "gemma3", className: "Gemma3ForCausalLM",
            ggufArchitecture: "gemma3",
            normOffset: 1, queryKeyNorm: .headwise, normPlacement: .around, windows: .allButEvery(6),
            windowedTheta: 10_000, scalesEmbeddings: true,
            queryScale: .configured(exceptionalLayerCounts: [62]), logitSoftcap: 0,
            defaults: gemma3Defaults, layerModules: sandwichLayerModules + queryKeyNorms),
        Family(
            modelType: "phi3", className: "Phi3ForCausalLM", ggufArchitecture: "phi3",
            attentionBias: .none, windows: .everyLayerIfStated, rotatesPartly: true, originalPositions: 4096,
            defaults: Defaults(normEpsilon: 1e-5, maximumPositions: 4096), layerModules: fusedLayerModules,
            fusedProjections: [
                FusedProjection(name: "qkv_proj", parts: ["q_proj", "k_proj", "v_proj"]),
                FusedProjection(name: "gate_up_proj", parts: ["gate_proj", "up_proj"]),
            ]),
        Family(
            modelType: "smollm3", className: "SmolLM3ForCausalLM", ggufArchitecture: "smollm3",
            permutesRotaryRowsInGGUF: true, windows: .unrotatedLayers, unrotatedInterval: 4,
            defaults: Defaults(
                tiesEmbeddings: true, theta: 2_000_000, maximumPositions: 32_768, keyValueHeadCount: 4)),
        Family(
            modelType: "olmo2", className: "Olmo2ForCausalLM", ggufArchitecture: "olmo2",
            queryKeyNorm: .wholeWidth, normPlacement: .after, defaults: Defaults(normEpsilon: 1e-5),
            layerModules: afterLayerModules + queryKeyNorms),
        // The base of windowed layers is not stretched; GGUF files call OLMo 3 with its windows by OLMo 2's name.
        Family(
            modelType: "olmo3", className: "Olmo3ForCausalLM", ggufArchitecture: "olmo2",
            queryKeyNorm: .wholeWidth, normPlacement: .after, windows: .allButEvery(4),
            windowedTheta: 500_000, defaults: Defaults(theta: 500_000, normEpsilon: 1e-5),
            layerModules: afterLayerModules + queryKeyNorms),
        Family(
            modelType: "granite", className: "GraniteForCausalLM", ggufArchitecture: "granite",
            permutesRotaryRowsInGGUF: true, hasMultipliers: true),
    ]

    private static let gemmaDefaults = Defaults(
        activationKey: "hidden_activation", activation: .geluTanh, headWidth: 256, tiesEmbeddings: true,
        maximumPositions: 8192, keyValueHeadCount: 4)

    private static let gemma3Defaults = Defaults(
        activationKey: "hidden_activation", activation: .geluTanh, headWidth: 256, tiesEmbeddings: true,
        theta: 1_000_000, maximumPositions: 131_072, keyValueHeadCount: 4, headCount: 8,
        vocabularySize: 262_208)

    static let standardModelModules = [
        ModuleName("model.embed_tokens", "token_embd"),
        ModuleName("model.norm", "output_norm"),
        ModuleName("lm_head", "output"),
    ]

    private static let projections = [
        ModuleName("self_attn.q_proj", "attn_q"),
        ModuleName("self_attn.k_proj", "attn_k"),
        ModuleName("self_attn.v_proj", "attn_v"),
        ModuleName("self_attn.o_proj", "attn_output"),
        ModuleName("mlp.gate_proj", "ffn_gate"),
        ModuleName("mlp.up_proj", "ffn_up"),
        ModuleName("mlp.down_proj", "ffn_down"),
    ]

    static let standardLayerModules =
        projections + [
            ModuleName("input_layernorm", "attn_norm"),
            ModuleName("post_attention_layernorm", "ffn_norm"),
        ]

    private static let sandwichLayerModules =
        projections + [
            ModuleName("input_layernorm", "attn_norm"),
            ModuleName("post_attention_layernorm", "post_attention_norm"),
            ModuleName("pre_feedforward_layernorm", "ffn_norm"),
            ModuleName("post_feedforward_layernorm", "post_ffw_norm"),
        ]

    private static let afterLayerModules =
        projections + [
            ModuleName("post_attention_layernorm", "post_attention_norm"),
            ModuleName("post_feedforward_layernorm", "post_ffw_norm"),
        ]

    private static let fusedLayerModules = [
        ModuleName("self_attn.qkv_proj", "attn_qkv"),
        ModuleName("self_attn.o_proj", "attn_output"),
        ModuleName("mlp.gate_up_proj", "ffn_up"),
        ModuleName("mlp.down_proj", "ffn_down"),
        ModuleName("input_layernorm", "attn_norm"),
        ModuleName("post_attention_layernorm", "ffn_norm"),
    ]

    private static let queryKeyNorms = [
        ModuleName("self_attn.q_norm", "attn_q_norm"),
        ModuleName("self_attn.k_norm", "attn_k_norm"),
    ]
}
