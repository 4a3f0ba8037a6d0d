// Adapters on disk in PEFT's format: adapter_config.json beside adapter_model.safetensors.

package import Checkpoints
package import FileSupport
package import Models
import TensorEngine

/// Names in PEFT adapter folders.
enum PEFTFiles {
    static let configuration = "adapter_config.json"
    static let weights = "adapter_model.safetensors"
    /// PEFT wraps the base model twice; the names in its files say so.
    static let tensorPrefix = "base_model.model."
}

extension AdapterSet {
    /// Reads an adapter folder and installs it.
    ///
    /// - Throws: `InputError` when the configuration asks for something that is not supported, when tensors are missing,
    ///   left over or of other shapes than this model's, or when the model has adapters already.
    package static func load(_ folder: String, into model: CausalLM) throws(InputError) -> AdapterSet {
        let configurationPath = "\(folder)/\(PEFTFiles.configuration)"
        let json = try JSONParser.parse(fileAt: configurationPath)
        guard let object = json.objectValue else {
            throw InputError(configurationPath, expected: "a JSON object", found: json.kindName)
        }
        let configuration = try LoRAConfiguration(peft: object, location: configurationPath)
        let targets = try configuration.targets(
            among: model.adaptableModules, layerCount: model.configuration.layerCount,
            location: configurationPath, requiresEveryTarget: false)
        let ledger = TensorLedger(try SafetensorsFile(path: "\(folder)/\(PEFTFiles.weights)"))
        let backend = model.backend
        func read(_ name: String, rows: Int, columns: Int, _ module: AdaptableModule) throws(InputError)
            -> Tensor
        {
            let stored = try ledger.source.tensor(named: name)
            guard stored.shape == [rows, columns] else {
                throw InputError(
                    stored.location, expected: "shape [\(rows), \(columns)]", found: "\(stored.shape)",
                    advice: "\(module.name) of this model is \(module.inputWidth) -> \(module.outputWidth): "
                        + "the adapter belongs to another model, or its rank is not the configured one.")
            }
            let values = try ledger.take(name, shape: [rows, columns]).float32Values()
            return backend.upload(values, rowCount: rows, width: columns, type: .float32)
        }
        let adapters = try install(configuration, targets, into: model) {
            target, module throws(InputError) in
            let prefix = PEFTFiles.tensorPrefix + target.moduleName
            return (
                try read("\(prefix).lora_A.weight", rows: target.rank, columns: module.inputWidth, module),
                try read("\(prefix).lora_B.weight", rows: module.outputWidth, columns: target.rank, module)
            )
        }
        do throws(InputError) {
            try ledger.finish()
        } catch {
            adapters.remove(from: model)
            throw error
        }
        return adapters
    }

    /// Writes the adapter folder's two files; the folder must exist.
    ///
    /// - Parameters:
    ///   - baseModel: the name or path of the base model, for other tools.
    ///   - type: F32, or BF16 for half the size.
    /// - Throws: `InputError` when a file cannot be written.
    package func save(
        to folder: String, model: CausalLM, baseModel: String, type: StoredType = .float32
    ) throws(InputError) {
        let tensors = parameters.map { parameter in
            OutputTensor(
                name: parameter.name, type: type, shape: [parameter.value.rowCount, parameter.value.width],
                values: model.backend.download(parameter.value))
        }
        // The weights first: a folder with a configuration is complete.
        try SafetensorsWriter.write(tensors, to: "\(folder)/\(PEFTFiles.weights)")
        let object = configuration.peftConfiguration(
            targetModules: targetModules(among: model.adaptableModules.map(\.name)), baseModel: baseModel)
        try AtomicFile.write(
            to: "\(folder)/\(PEFTFiles.configuration)",
            text: JSONValue.object(object).serialized(pretty: true) + "\n")
    }

    /// Suffixes such as `q_proj` when they mean exactly the adapted modules, else full names: a decoder inside a model of
    /// images and text has namesakes that are not read here.
    private func targetModules(among moduleNames: [String]) -> [String] {
        let adapted = Set(adapters.map(\.moduleName))
        var suffixes: [String] = []
        for (name, _) in adapters {
            let suffix = name.split(separator: ".").last.map(String.init) ?? name
            if !suffixes.contains(suffix) { suffixes.append(suffix) }
        }
        let meant = moduleNames.filter { name in suffixes.contains { name == $0 || name.hasSuffix(".\($0)") }
        }
        let isWholeModel = moduleNames.allSatisfy { $0.hasPrefix("model.layers.") }
        return isWholeModel && Set(meant) == adapted ? suffixes : adapters.map(\.moduleName)
    }
}
