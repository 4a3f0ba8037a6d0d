// Writes a Hugging Face model as GGUF, the way llama.cpp's converter does.

package import Checkpoints
import FileSupport
package import Models

package func writeGGUF(
    of source: ModelSource, to path: String, types: [StoredType] = [.float32],
    extraMetadata: [(key: String, value: GGUFWriter.Value)] = [], omitting omitted: Set<String> = []
) throws {
    let c = source.configuration
    let prefix = source.family.ggufArchitecture
    var metadata: [(key: String, value: GGUFWriter.Value)] = [
        ("general.architecture", .string(prefix)),
        ("\(prefix).block_count", .uint32(UInt32(c.layerCount))),
        ("\(prefix).context_length", .uint32(UInt32(c.maximumPositions))),
        ("\(prefix).embedding_length", .uint32(UInt32(c.width))),
        ("\(prefix).feed_forward_length", .uint32(UInt32(c.feedForwardWidth))),
        ("\(prefix).attention.head_count", .uint32(UInt32(c.headCount))),
        ("\(prefix).attention.head_count_kv", .uint32(UInt32(c.keyValueHeadCount))),
        ("\(prefix).attention.key_length", .uint32(UInt32(c.headWidth))),
        ("\(prefix).attention.value_length", .uint32(UInt32(c.headWidth))),
        ("\(prefix).attention.layer_norm_rms_epsilon", .float32(c.normEpsilon)),
        ("\(prefix).rope.freq_base", .float32(Float(c.rotary.theta))),
        ("\(prefix).vocab_size", .uint32(UInt32(c.vocabularySize))),
    ]
    var tensors: [OutputTensor] = []
    switch c.rotary.scaling {
    case .none: break
    case .linear(let factor):
        metadata.append(("\(prefix).rope.scaling.type", .string("linear")))
        metadata.append(("\(prefix).rope.scaling.factor", .float32(Float(factor))))
    case .dynamic, .yarn, .longrope:
        throw InputError(source.path, "rope scaling that this writer does not know")
    case .llama3, .divisors:
        let plain = RotaryConfiguration(theta: c.rotary.theta, width: c.rotary.width).frequencies
        let divisors = zip(plain, c.rotary.frequencies).map { Float($0 / $1) }
        tensors.append(
            OutputTensor(name: "rope_freqs.weight", type: .float32, shape: [divisors.count], values: divisors)
        )
    }
    metadata += familyMetadata(of: source)
    metadata.removeAll { entry in
        omitted.contains(entry.key) || extraMetadata.contains { $0.key == entry.key }
    }
    for name in source.weights.tensorNames {
        let stored = try source.weights.tensor(named: name)
        var values = try stored.float32Values()
        if source.family.permutesRotaryRowsInGGUF {
            if name.contains("q_proj") {
                values = permuted(values, heads: c.headCount, headWidth: c.headWidth)
            } else if name.contains("k_proj") {
                values = permuted(values, heads: c.keyValueHeadCount, headWidth: c.headWidth)
            }
        }
        if name.hasSuffix("norm.weight") { values = values.map { $0 + source.family.normOffset } }
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

/// What some families store beyond sizes; zeros mean that there is nothing to say.
private func familyMetadata(of source: ModelSource) -> [(key: String, value: GGUFWriter.Value)] {
    let c = source.configuration
    let prefix = source.family.ggufArchitecture
    var metadata: [(key: String, value: GGUFWriter.Value)] = []
    if let window = c.windows.first(where: { $0 > 0 }) {
        metadata.append(("\(prefix).attention.sliding_window", .uint32(UInt32(window))))
        let period = c.windows.firstIndex(of: 0).map { $0 + 1 }
        if let period {
            metadata.append(("\(prefix).attention.sliding_window_pattern", .uint32(UInt32(period))))
        }
    }
    if c.attentionSoftcap > 0 {
        metadata.append(("\(prefix).attn_logit_softcapping", .float32(c.attentionSoftcap)))
    }
    if c.logitSoftcap > 0 {
        metadata.append(("\(prefix).final_logit_softcapping", .float32(c.logitSoftcap)))
    }
    if let rotary = c.windowedRotary {
        metadata.append(("\(prefix).rope.freq_base_swa", .float32(Float(rotary.theta))))
    }
    if c.queryScale != 1 / Float(c.headWidth).squareRoot() {
        metadata.append(("\(prefix).attention.scale", .float32(c.queryScale)))
    }
    return metadata
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
