// Configurations: what is read, what is refused and in what words.

import Checkpoints
import FileSupport
import TensorEngine
import TestSupport
import Testing

@testable import Models

@Suite("Model configurations")
struct ConfigurationTests {
    private let llama = Family.all[0]

    private func golden(_ folder: String = "llama-gqa-tied") throws -> JSONObject {
        try #require(try JSONParser.parse(fileAt: GoldenFolder(folder).file("config.json")).objectValue)
    }

    private func configuration(_ object: JSONObject) throws -> DecoderConfiguration {
        try DecoderConfiguration(ConfigurationFields(object, location: "config.json"), family: llama)
    }

    @Test func sizesAreRead() throws {
        let configuration = try configuration(golden("llama-explicit-head-width"))
        #expect(
            configuration.vocabularySize == 160 && configuration.width == 64 && configuration.headWidth == 24)
        #expect(configuration.queryWidth == 96 && configuration.keyValueWidth == 48)
        #expect(configuration.tiesEmbeddings && configuration.queryScale == 1 / Float(24).squareRoot())
    }

    @Test(
        "rope settings of every age",
        arguments: [
            #"{"rope_theta": 5e5, "rope_scaling": null}"#,
            #"{"rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"}}"#,
            #"{"rope_theta": 1.0, "rope_parameters": {"rope_theta": 500000, "rope_type": "default"}}"#,
        ])
    func ropeTheta(text: String) throws {
        var object = try golden()
        object["rope_parameters"] = nil
        for (key, value) in try #require(try JSONParser.parse(text, location: "").objectValue).members {
            object[key] = value
        }
        #expect(try configuration(object).rotary == RotaryConfiguration(theta: 500_000, width: 16))
    }

    @Test func llama3ScalingIsReadFromOldAndNewKeys() throws {
        var object = try golden("llama-rope-llama3")
        let new = try configuration(object).rotary
        object["rope_scaling"] = object["rope_parameters"]
        object["rope_parameters"] = nil
        #expect(try configuration(object).rotary == new)
        guard case .llama3(let scaling) = new.scaling else {
            Issue.record("\(new)")
            return
        }
        #expect(scaling.factor == 8 && scaling.originalMaximumPositions == 64)
    }

    @Test(
        "values out of range or of the wrong kind are errors that name the key",
        arguments: [
            ("vocab_size", "0"), ("vocab_size", "99999999999"), ("vocab_size", "\"160\""),
            ("hidden_size", "-64"),
            ("hidden_size", "1e300"), ("num_hidden_layers", "1000000000"), ("num_attention_heads", "3"),
            ("num_key_value_heads", "3"), ("num_key_value_heads", "8"), ("head_dim", "15"), ("head_dim", "0"),
            ("rms_norm_eps", "-1"), ("hidden_act", "\"relu\""), ("hidden_act", "7"),
            ("attention_bias", "\"no\""),
            ("rope_theta", "0"), ("rope_parameters", "[]"), ("quantization_config", "{\"bits\": 4}"),
            ("partial_rotary_factor", "0.5"), ("max_position_embeddings", "0"), ("tie_word_embeddings", "1"),
        ])
    func outOfRange(key: String, value: String) throws {
        var object = try golden()
        if key == "num_attention_heads" { object["head_dim"] = nil }
        object[key] = try JSONParser.parse(value, location: "value")
        let error = try #require(throws: InputError.self) { try configuration(object) }
        #expect(error.location.contains(key), "\(error)")
    }

    @Test(
        "a missing size is an error",
        arguments: [
            "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
        ])
    func missing(key: String) throws {
        var object = try golden()
        object[key] = nil
        let error = try #require(throws: InputError.self) { try configuration(object) }
        #expect(error.problem == "there is no key \"\(key)\"")
    }

    private func familyConfiguration(
        _ folder: String, changing change: (inout JSONObject) throws -> Void = { _ in }
    ) throws -> DecoderConfiguration {
        var object = try golden("family-\(folder)")
        try change(&object)
        let fields = ConfigurationFields(object, location: "config.json")
        return try DecoderConfiguration(
            fields, family: Family.named(modelType: fields.string("model_type"), location: ""))
    }

    @Test func windowsFollowTheFamilysPattern() throws {
        #expect(try familyConfiguration("mistral").windows == [7, 7])
        #expect(try familyConfiguration("mistral") { $0["sliding_window"] = .null }.windows == [0, 0])
        #expect(try familyConfiguration("mistral") { $0["sliding_window"] = nil }.windows == [4096, 4096])
        #expect(try familyConfiguration("qwen2").windows == [0, 0])
        #expect(try familyConfiguration("qwen2-windows").windows == [0, 6, 6])
        #expect(
            try familyConfiguration("qwen2-windows") { $0["layer_types"] = nil }.windows == [0, 6, 6])
        #expect(try familyConfiguration("gemma2") { $0["layer_types"] = nil }.windows == [5, 0, 5])
        #expect(try familyConfiguration("gemma3").windows == [5, 5, 5, 5, 5, 0, 5])
        #expect(try familyConfiguration("gemma3-older-config").windows == [6, 6, 0])
    }

    @Test func absentKeysMeanWhatTheFamilySays() throws {
        let configuration = try familyConfiguration("gemma2") { object in
            for key in [
                "tie_word_embeddings", "hidden_activation", "query_pre_attn_scalar", "head_dim",
                "attn_logit_softcapping", "final_logit_softcapping",
            ] {
                object[key] = nil
            }
        }
        #expect(configuration.tiesEmbeddings && configuration.activation == .geluTanh)
        #expect(configuration.headWidth == 256 && configuration.queryScale == 1 / 16)
        #expect(configuration.attentionSoftcap == 50 && configuration.logitSoftcap == 30)
        #expect(try familyConfiguration("qwen3") { $0["head_dim"] = nil }.headWidth == 128)
        // The first Gemma files say "gelu" and mean the approximation by tanh.
        #expect(
            try familyConfiguration("gemma") { $0["hidden_act"] = .string("gelu") }.activation == .geluTanh)
        // The square root of 32 is 5.657, in bf16 5.65625.
        #expect(configuration.embeddingScale(in: .float32) == Float(32).squareRoot())
        #expect(configuration.embeddingScale(in: .bfloat16) == 5.65625)
    }

    @Test(
        "what a family's configuration asks for in vain is an error that names the key",
        arguments: [
            ("layer_types", #"["full_attention"]"#), ("layer_types", #""full_attention""#),
            ("layer_types", #"["full_attention", "chunked_attention", "full_attention"]"#),
            ("sliding_window", "0"), ("use_bidirectional_attention", "true"),
            ("hidden_activation", #""relu""#), ("query_pre_attn_scalar", "0"),
            ("final_logit_softcapping", "-1"), ("rope_local_base_freq", "0"),
        ])
    func unsuitableFamilyKeys(key: String, value: String) throws {
        let error = try #require(throws: InputError.self) {
            try familyConfiguration("gemma3-older-config") {
                $0[key] = try JSONParser.parse(value, location: "value")
            }
        }
        #expect(error.location.contains(key), "\(error)")
    }

    @Test func nothingAtThePathIsAnErrorThatSaysWhatToGive() throws {
        let error = try #require(throws: InputError.self) { try ModelSource(path: "/nowhere/model") }
        #expect(error.problem == "there is no such file or folder")
    }

    @Test func namesTranslateBothWays() {
        let pairs = [
            ("model.layers.12.self_attn.q_proj.weight", "blk.12.attn_q.weight"),
            ("model.layers.0.post_attention_layernorm.weight", "blk.0.ffn_norm.weight"),
            ("model.embed_tokens.weight", "token_embd.weight"), ("lm_head.weight", "output.weight"),
            ("model.layers.3.mlp.down_proj.bias", "blk.3.ffn_down.bias"),
        ]
        for (huggingFace, gguf) in pairs {
            #expect(llama.ggufName(ofTensor: huggingFace) == gguf)
            #expect(llama.huggingFaceName(ofTensor: gguf) == huggingFace)
        }
        for name in ["", ".", "blk.", "blk.1", "blk.1.", "blk.x.attn_z.weight", "rope_freqs.weight"] {
            #expect(llama.huggingFaceName(ofTensor: name) == nil)
        }
    }

    @Test func publishedLlama3DivisorsAreRecognised() {
        let plain = RotaryConfiguration(theta: 500_000, width: 64)
        let scaling = Llama3Scaling(
            factor: 32, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalMaximumPositions: 8192)
        let divisors = plain.frequencies.map { Float(scaling.divisor(ofFrequency: $0)) }
        #expect(divisors.first == 1 && divisors.last == 32)
        #expect(plain.recognisingLlama3(divisors) == .llama3(scaling))
        let other = divisors.map { $0 * 1.5 }
        #expect(plain.recognisingLlama3(other) == .divisors(other))
    }

    @Test func memoryIsCheckedBeforeLoading() throws {
        let source = try ModelSource(path: GoldenFolder("llama-gqa-tied").path)
        let need = try MemoryNeed(source, computeType: .bfloat16)
        #expect(need.weightBytes > 0)
        try need.check(available: need.weightBytes)
        let error = try #require(throws: InputError.self) { try need.check(available: need.weightBytes - 1) }
        #expect(error.problem.contains("its weights need"))
        #expect(try #require(MachineMemory.availableBytes) > 1 << 20)
    }
}
