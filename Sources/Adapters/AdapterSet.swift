// The low-rank pairs installed in a model.

package import FileSupport
package import Models
package import TensorEngine

/// The adapters of one model: trainable parameters beside frozen layers.
package final class AdapterSet {
    package let configuration: LoRAConfiguration
    /// In the model's order.
    package let adapters: [(moduleName: String, pair: LowRankPair)]

    init(configuration: LoRAConfiguration, adapters: [(moduleName: String, pair: LowRankPair)]) {
        self.configuration = configuration
        self.adapters = adapters
    }

    /// All trainable tensors: A and B of each module, modules in the model's order.
    package var parameters: [Parameter] { adapters.flatMap { [$0.pair.a, $0.pair.b] } }
    package var parameterCount: Int { parameters.reduce(0) { $0 + $1.value.count } }

    /// Makes fresh adapters and installs them: A uniform in ±1/sqrt(in), B zero, so the model computes what it did.
    ///
    /// - Parameter seed: decides A. A module's A does not depend on which others are adapted.
    /// - Throws: `InputError` when a number is out of range, a pattern matches nothing, or the model has adapters.
    package static func install(
        _ configuration: LoRAConfiguration, into model: CausalLM, seed: UInt64
    ) throws(InputError) -> AdapterSet {
        let location = "LoRA configuration"
        let targets = try configuration.targets(
            among: model.adaptableModules, layerCount: model.configuration.layerCount, location: location)
        let backend = model.backend
        return try install(configuration, targets, into: model) { target, module in
            var random = SeededRandom(seed: seed, stream: target.moduleName)
            let bound = 1 / Double(module.inputWidth).squareRoot()
            let values = (0..<target.rank * module.inputWidth).map { _ in
                Float((2 * random.unit() - 1) * bound)
            }
            let b = backend.makeTensor(rowCount: module.outputWidth, width: target.rank, type: .float32)
            backend.fill(b, with: 0)
            return (
                backend.upload(values, rowCount: target.rank, width: module.inputWidth, type: .float32), b
            )
        }
    }

    /// Installs pairs whose values `makeValues` gives: A f32 [rank, in] and B f32 [out, rank].
    static func install(
        _ configuration: LoRAConfiguration, _ targets: [AdapterTarget], into model: CausalLM,
        makeValues: (AdapterTarget, AdaptableModule) throws(InputError) -> (a: Tensor, b: Tensor)
    ) throws(InputError) -> AdapterSet {
        let all = model.adaptableModules
        var modules: [String: AdaptableModule] = [:]
        for module in all { modules[module.name] = module }
        if let adapted = all.first(where: \.isAdapted) {
            throw InputError(
                adapted.name, "the model carries an adapter already", advice: "Merge or remove it first.")
        }
        var adapters: [(moduleName: String, pair: LowRankPair)] = []
        for target in targets {
            guard let module = modules[target.moduleName] else {
                preconditionFailure("no linear layer \(target.moduleName)")
            }
            let (a, b) = try makeValues(target, module)
            let prefix = PEFTFiles.tensorPrefix + target.moduleName
            let pair = LowRankPair(
                a: Parameter(name: "\(prefix).lora_A.weight", value: a),
                b: Parameter(name: "\(prefix).lora_B.weight", value: b), scale: target.scale,
                dropoutRate: Float(configuration.dropout))
            adapters.append((target.moduleName, pair))
        }
        for (moduleName, pair) in adapters { modules[moduleName]?.adapt(with: pair) }
        return AdapterSet(configuration: configuration, adapters: adapters)
    }

    /// Takes the adapters out of the model, which is then the base again.
    package func remove(from model: CausalLM) {
        let names = Set(adapters.map(\.moduleName))
        for module in model.adaptableModules where names.contains(module.name) { module.adapt(with: nil) }
    }
}
