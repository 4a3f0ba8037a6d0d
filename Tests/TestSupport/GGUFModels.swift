// Writes a Hugging Face Llama as GGUF, the way llama.cpp's converter does.

package import Checkpoints
import FileSupport
package import Models

package func writeGGUF(
    of source: ModelSource, to path: String, types: [StoredType] = [.float32],
    extraMetadata: [(key: String, value: GGUFWriter.Value)] = [], omitting omitted: Set<String> = []
) throws {
    let c = source.configuration
    var metadata: [(key: String, value: GGUFWriter.Value)] = [
        ("general.architecture", .string("llama")),
        ("llama.block_count", .uint32(UInt32(c.layerCount))),
        ("llama.context_length", .uint32(UInt32(c.maximumPositions))),
        ("llama.embedding_length", .uint32(UInt32(c.width))),
        ("llama.feed_forward_length", .uint32(UInt32(c.feedForwardWidth))),
        ("llama.attention.head_count", .uint32(UInt32(c.headCount))),
        ("llama.attention.head_count_kv", .uint32(UInt32(c.keyValueHeadCount))),
        ("llama.attention.key_length", .uint32(UInt32(c.headWidth))),
        ("llama.attention.value_length", .uint32(UInt32(c.headWidth))),
        ("llama.attention.layer_norm_rms_epsilon", .float32(c.normEpsilon)),
        ("llama.rope.freq_base", .float32(Float(c.rotary.theta))),
        ("llama.vocab_size", .uint32(UInt32(c.vocabularySize))),
    ]
    var tensors: [OutputTensor] = []
    switch c.rotary.scaling {
    case .none: break
    case .linear(let factor):
        metadata.append(("llama.rope.scaling.type", .string("linear")))
        metadata.append(("llama.rope.scaling.factor", .float32(Float(factor))))
    case .llama3, .divisors:
        let plain = RotaryConfiguration(theta: c.rotary.theta, width: c.rotary.width).frequencies
        let divisors = zip(plain, c.rotary.frequencies).map { Float($0 / $1) }
        tensors.append(
            OutputTensor(name: "rope_freqs.weight", type: .float32, shape: [divisors.count], values: divisors)
        )
    }
    metadata.removeAll { entry in
        omitted.contains(entry.key) || extraMetadata.contains { $0.key == entry.key }
    }
    for name in source.weights.tensorNames {
        let stored = try source.weights.tensor(named: name)
        var values = try stored.float32Values()
        if name.contains("q_proj") { values = permuted(values, heads: c.headCount, headWidth: c.headWidth) }
        if name.contains("k_proj") {
            values = permuted(values, heads: c.keyValueHeadCount, headWidth: c.headWidth)
        }
        guard let ggufName = source.family.ggufName(ofTensor: name) else {
            throw InputError(name, "this tensor has no GGUF name")
        }
        // Vectors stay f32, as llama.cpp keeps them.
        let type = stored.shape.count == 1 ? .float32 : types[tensors.count % types.count]
        if omitted.contains(ggufName) { continue }
        tensors.append(OutputTensor(name: ggufName, type: type, shape: stored.shape, values: values))
    }
    try GGUFWriter.write(metadata: metadata + extraMetadata, tensors: tensors, to: path)
}

/// reshape(heads, 2, K / 2, in).swapaxes(1, 2), for weights and (in = 1) biases.
private func permuted(_ values: [Float], heads: Int, headWidth: Int) -> [Float] {
    let width = values.count / (heads * headWidth)
    let half = headWidth / 2
    var result: [Float] = []
    for head in 0..<heads {
        for pair in 0..<half {
            for side in 0..<2 {
                let row = head * headWidth + side * half + pair
                result += values[row * width..<(row + 1) * width]
            }
        }
    }
    return result
}
