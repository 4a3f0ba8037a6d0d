// The families that this version knows: one row each.

import TensorEngine

extension Family {
    package static let all: [Family] = [
        Family(
            modelType: "llama", className: "LlamaForCausalLM", ggufArchitecture: "llama",
            permutesRotaryRowsInGGUF: true),
        Family(
            modelType: "mistral", className: "MistralForCausalLM", ggufArchitecture: "llama",
            permutesRotaryRowsInGGUF: true, attentionBias: .none, windows: .everyLayer),
        Family(
            modelType: "qwen2", className: "Qwen2ForCausalLM", ggufArchitecture: "qwen2",
            attentionBias: .queryKeyValue, windows: .upperLayers),
        Family(
            modelType: "qwen3", className: "Qwen3ForCausalLM", ggufArchitecture: "qwen3",
            normalisesQueriesAndKeys: true, windows: .upperLayers, defaults: Defaults(headWidth: 128),
            layerModules: standardLayerModules + queryKeyNorms),
        Family(
            modelType: "gemma2", className: "Gemma2ForCausalLM", ggufArchitecture: "gemma2",
            normOffset: 1, hasSandwichNorms: true, windows: .allButEvery(2), scalesEmbeddings: true,
            queryScale: .configured(exceptionalLayerCounts: [46]), attentionSoftcap: 50, logitSoftcap: 30,
            defaults: gemmaDefaults, layerModules: sandwichLayerModules),
        // transformers computes no cap of attention scores in Gemma 3, whatever the configuration says.
        Family(
            modelType: "gemma3_text", className: "Gemma3ForCausalLM", ggufArchitecture: "gemma3",
            normOffset: 1, normalisesQueriesAndKeys: true, hasSandwichNorms: true, windows: .allButEvery(6),
            windowedTheta: 10_000, scalesEmbeddings: true,
            queryScale: .configured(exceptionalLayerCounts: [62]), logitSoftcap: 0,
            defaults: gemma3Defaults, layerModules: sandwichLayerModules + queryKeyNorms),
    ]

    private static let gemmaDefaults = Defaults(
        activationKey: "hidden_activation", activation: .geluTanh, headWidth: 256, tiesEmbeddings: true)

    private static let gemma3Defaults = Defaults(
        activationKey: "hidden_activation", activation: .geluTanh, headWidth: 256, tiesEmbeddings: true,
        theta: 1_000_000)

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

    private static let queryKeyNorms = [
        ModuleName("self_attn.q_norm", "attn_q_norm"),
        ModuleName("self_attn.k_norm", "attn_k_norm"),
    ]
}
