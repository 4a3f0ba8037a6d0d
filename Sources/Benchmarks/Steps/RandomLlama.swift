// A Llama with random weights, for speeds at shapes of which no small file is at hand.

internal import Checkpoints
internal import FileSupport
internal import Foundation

/// The shape of TinyLlama 1.1B, all or some of its layers.
struct RandomLlama {
    let layerCount: Int
    private let width = 2048
    private let inner = 5632
    private let keyValueWidth = 256
    private let vocabulary = 32000

    init(layerCount: Int) { self.layerCount = layerCount }

    /// A Hugging Face folder, bf16, about 2.2 GB with all 22 layers; written the first time.
    func folder(in parent: String) throws -> String {
        let folder = "\(parent)/random-llama-\(layerCount)"
        if FileStatus(path: "\(folder)/config.json") == .file { return folder }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        var tensors = [
            matrix("model.embed_tokens", vocabulary, width), matrix("lm_head", vocabulary, width),
            vector("model.norm"),
        ]
        for layer in 0..<layerCount {
            let name = "model.layers.\(layer)"
            tensors += [
                matrix("\(name).self_attn.q_proj", width, width),
                matrix("\(name).self_attn.k_proj", keyValueWidth, width),
                matrix("\(name).self_attn.v_proj", keyValueWidth, width),
                matrix("\(name).self_attn.o_proj", width, width),
                matrix("\(name).mlp.gate_proj", inner, width), matrix("\(name).mlp.up_proj", inner, width),
                matrix("\(name).mlp.down_proj", width, inner), vector("\(name).input_layernorm"),
                vector("\(name).post_attention_layernorm"),
            ]
        }
        try SafetensorsWriter.write(tensors, to: "\(folder)/model.safetensors")
        // Last: where it is, the folder is whole.
        try AtomicFile.write(
            to: "\(folder)/config.json",
            text: """
                {"model_type": "llama", "hidden_size": \(width), "intermediate_size": \(inner),
                 "num_hidden_layers": \(layerCount), "num_attention_heads": 32, "num_key_value_heads": 4,
                 "vocab_size": \(vocabulary), "max_position_embeddings": 2048, "rms_norm_eps": 1e-5,
                 "rope_theta": 10000.0, "tie_word_embeddings": false, "hidden_act": "silu"}
                """)
        return folder
    }

    private func vector(_ name: String) -> OutputTensor {
        OutputTensor(
            name: "\(name).weight", type: .bfloat16, shape: [width],
            values: [Float](repeating: 1, count: width))
    }

    /// Evenly spread values whose variance keeps activations near 1.
    private func matrix(_ name: String, _ rows: Int, _ columns: Int) -> OutputTensor {
        OutputTensor(name: "\(name).weight", type: .bfloat16, shape: [rows, columns]) {
            sink throws(InputError) in
            let limit = (3 / Float(columns)).squareRoot()
            var state = UInt64(rows) &* 0x9e37_79b9_7f4a_7c15 &+ UInt64(columns)
            for _ in 0..<rows {
                let values = (0..<columns).map { _ in
                    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    return (Float(state >> 40) / 8_388_608 - 1) * limit
                }
                try values.withUnsafeBufferPointer { row throws(InputError) in
                    try OutputTensor.encode(row, as: .bfloat16, to: sink)
                }
            }
        }
    }
}
