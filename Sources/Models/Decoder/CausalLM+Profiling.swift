// What profiles call the model's products.

package import TensorEngine

extension CausalLM {
    /// Names every weight and adapter for a profiler by the part of the model that it belongs to.
    package func nameWeights(in profiler: ProfilingBackend) {
        for layer in 0..<configuration.layerCount {
            let block = linears(ofLayer: layer)
            for (part, linears) in [
                ("q, k, v", [block.query, block.key, block.value]), ("o", [block.output]),
                ("gate, up", [block.gate, block.up]), ("down", [block.down]),
            ] {
                for linear in linears { profiler.name(linear.weight.tensor, part) }
            }
        }
        for adapter in linears.compactMap(\.adapter) {
            profiler.name(adapter.a.value, "adapters")
            profiler.name(adapter.b.value, "adapters")
        }
        profiler.name(head.tensor, "head")
    }
}
