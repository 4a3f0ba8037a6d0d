// A model small enough to train in a test: random weights beside one of the golden tokenizers.

import Checkpoints
import FileSupport
import Foundation
import TestSupport

/// Writes model and data folders that the library loads like any other.
enum TinyModel {
    private static let (vocabulary, width, feedForward, keyValueWidth) = (600, 32, 64, 16)

    /// The answers end with a special token, so that the trained part of a turn does too.
    private static let chatTemplate = """
        {% for message in messages %}{{ '<|bos|>' + message.role + '\\n' + message.content + '<|eos|>\\n' }}{% endfor %}\
        {% if add_generation_prompt %}{{ '<|bos|>assistant\\n' }}{% endif %}
        """

    /// Makes a Llama of two layers with a tokenizer and a chat template.
    static func write(to folder: String) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try write(configuration, to: "\(folder)/config.json")
        try write(
            [
                ("bos_token", .string("<|bos|>")), ("eos_token", .string("<|eos|>")),
                ("chat_template", .string(chatTemplate)),
            ], to: "\(folder)/tokenizer_config.json")
        try FileManager.default.copyItem(
            atPath: GoldenFolder("tokenizers").file("smollm/tokenizer.json"),
            toPath: "\(folder)/tokenizer.json")
        var random = SeededRandom(seed: 7)
        var tensors: [OutputTensor] = []
        func add(_ name: String, _ shape: [Int], ones: Bool = false) {
            let count = shape.reduce(1, *)
            let values = ones ? [Float](repeating: 1, count: count) : random.floats(count, limit: 0.3)
            tensors.append(OutputTensor(name: "\(name).weight", type: .float32, shape: shape, values: values))
        }
        add("model.embed_tokens", [vocabulary, width])
        for layer in 0..<2 {
            let prefix = "model.layers.\(layer)"
            add("\(prefix).input_layernorm", [width], ones: true)
            add("\(prefix).self_attn.q_proj", [width, width])
            add("\(prefix).self_attn.k_proj", [keyValueWidth, width])
            add("\(prefix).self_attn.v_proj", [keyValueWidth, width])
            add("\(prefix).self_attn.o_proj", [width, width])
            add("\(prefix).post_attention_layernorm", [width], ones: true)
            add("\(prefix).mlp.gate_proj", [feedForward, width])
            add("\(prefix).mlp.up_proj", [feedForward, width])
            add("\(prefix).mlp.down_proj", [width, feedForward])
        }
        add("model.norm", [width], ones: true)
        try SafetensorsWriter.write(tensors, to: "\(folder)/model.safetensors")
    }

    /// Sums with their answers, as conversations.
    static func writeData(to path: String, count: Int = 12) throws {
        let lines = (0..<count).map { index in
            """
            {"messages": [{"role": "user", "content": "\(index) + \(index)"}, \
            {"role": "assistant", "content": "The answer is \(2 * index)"}]}
            """
        }
        try AtomicFile.write(to: path, text: lines.joined(separator: "\n") + "\n")
    }

    private static let configuration: [(key: String, value: JSONValue)] = [
        ("architectures", .array([.string("LlamaForCausalLM")])), ("model_type", .string("llama")),
        ("vocab_size", .integer(vocabulary)), ("hidden_size", .integer(width)),
        ("intermediate_size", .integer(feedForward)), ("num_hidden_layers", .integer(2)),
        ("num_attention_heads", .integer(2)), ("num_key_value_heads", .integer(1)),
        ("head_dim", .integer(16)),
        ("max_position_embeddings", .integer(256)), ("rms_norm_eps", .number(1e-5)),
        ("rope_theta", .number(10000)), ("tie_word_embeddings", .bool(true)), ("hidden_act", .string("silu")),
        ("attention_bias", .bool(false)), ("mlp_bias", .bool(false)), ("bos_token_id", .integer(0)),
        ("eos_token_id", .integer(1)),
    ]

    private static func write(_ members: [(key: String, value: JSONValue)], to path: String) throws {
        try AtomicFile.write(to: path, text: JSONValue.object(JSONObject(members)).serialized(pretty: true))
    }
}
