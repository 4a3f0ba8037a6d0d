// A checkpoint: everything that the rest of the run depends on, so that a resumed run equals an uninterrupted one.

internal import Checkpoints
package import FileSupport
package import TensorEngine

/// What a checkpoint knows besides tensors. Dropout needs no state: its seeds are functions of seed, step and batch.
package struct CheckpointState: Codable, Equatable, Sendable {
    /// The lowest validation loss so far.
    package struct Best: Codable, Equatable, Sendable {
        package var step: Int
        package var loss: Double
    }

    package var version = CheckpointState.currentVersion
    package var step: Int
    package var cursor: BatchStream.Cursor
    package var best: Best?
    package var lastLoss: Double
    package var lastValidationLoss: Double?
    /// Lengths of the files that grow, to cut off what was written after the checkpoint.
    package var metricsBytes: Int
    package var traceBytes: Int
    /// How far the stop rule of `sparsity.plan: auto` has come; nil in dense runs.
    package var sparsity: SparsityProgress?

    package static let currentVersion = 2
}

/// Reads and writes checkpoint folders: `state.json`, `configuration.json`, `optimizer.safetensors`, and the adapter in
/// PEFT's format beside them, so that every checkpoint can be used as it is.
package enum Checkpoint {
    private static let stateName = "state.json"
    private static let tensorsName = "optimizer.safetensors"
    private static let configurationName = "configuration.json"

    /// Writes the folder, whole or not at all.
    ///
    /// - Parameter fitted: the parameters' values that sparsity was fitted to during the run.
    package static func write(
        to path: String, state: CheckpointState, configuration: TrainingConfiguration,
        optimizer: AdamWOptimizer, fitted: [Tensor]?, backend: any Backend,
        saveAdapter: (String) throws(InputError) -> Void
    ) throws(InputError) {
        try RunFolder.replace(path) { folder throws(InputError) in
            try saveAdapter(folder)
            var groups = groups(of: optimizer)
            if let fitted { groups.append((fittedGroup, fitted)) }
            let tensors = groups.flatMap { group, tensors in
                zip(optimizer.parameters, tensors).map { parameter, tensor in
                    OutputTensor(
                        name: "\(group).\(parameter.name)", type: .float32,
                        shape: [tensor.rowCount, tensor.width], values: backend.download(tensor))
                }
            }
            try SafetensorsWriter.write(tensors, to: "\(folder)/\(tensorsName)")
            try write(configuration.document, to: "\(folder)/\(configurationName)")
            try write(ConfigurationEncoder.encode(state), to: "\(folder)/\(stateName)")
        }
    }

    /// Reads the state of a checkpoint.
    package static func readState(_ path: String) throws(InputError) -> CheckpointState {
        let file = "\(path)/\(stateName)"
        let document = try JSONParser.parse(fileAt: file)
        guard let version = document["version"]?.integerValue, version == CheckpointState.currentVersion
        else {
            throw InputError(
                file, expected: "checkpoint version \(CheckpointState.currentVersion)",
                found: document["version"]?.serialized() ?? "none",
                advice: "Resume with the version of this program that wrote it.")
        }
        let state = try ConfigurationDecoder.decode(CheckpointState.self, from: document, layer: file)
        guard state.step >= 0, state.metricsBytes >= 0, state.traceBytes >= 0,
            state.sparsity?.isValid ?? true
        else {
            throw InputError(file, "a number in it is out of range", advice: "The checkpoint is damaged.")
        }
        return state
    }

    /// Throws unless the run may go on with this configuration.
    package static func check(
        _ configuration: TrainingConfiguration, resuming path: String
    ) throws(InputError) {
        let file = "\(path)/\(configurationName)"
        let old = try TrainingConfiguration(document: try JSONParser.parse(fileAt: file), location: file)
        let changes = old.changesThatMatter(comparedWith: configuration)
        guard changes.isEmpty else {
            let list = changes.map { "\($0.path) (\($0.old) -> \($0.new))" }.joined(separator: ", ")
            throw InputError(
                path, "the run was started with another configuration: \(list)",
                advice: "Resume with the run's own configuration.json, or start a new run.")
        }
    }

    /// Gives parameters and moments their values.
    package static func restore(
        _ optimizer: AdamWOptimizer, step: Int, from path: String, backend: any Backend
    ) throws(InputError) {
        let file = try SafetensorsFile(path: "\(path)/\(tensorsName)")
        var unread = Set(file.tensorNames)
        for (group, tensors) in groups(of: optimizer) {
            for (parameter, tensor) in zip(optimizer.parameters, tensors) {
                let name = "\(group).\(parameter.name)"
                try read(name, into: tensor, from: file, backend: backend)
                unread.remove(name)
            }
        }
        for parameter in optimizer.parameters { unread.remove("\(fittedGroup).\(parameter.name)") }
        guard unread.isEmpty else {
            throw InputError(
                file.path,
                "it holds \(unread.count) tensors that the model does not train, e.g. \(unread.sorted()[0])")
        }
        optimizer.completedSteps = step
    }

    /// Gives parameters the values that sparsity was last fitted to, in runs whose state has a `fitStep`.
    package static func restoreFitted(
        _ parameters: [Parameter], from path: String, backend: any Backend
    ) throws(InputError) {
        let file = try SafetensorsFile(path: "\(path)/\(tensorsName)")
        for parameter in parameters {
            try read("\(fittedGroup).\(parameter.name)", into: parameter.value, from: file, backend: backend)
        }
    }

    private static func read(
        _ name: String, into tensor: Tensor, from file: SafetensorsFile, backend: any Backend
    ) throws(InputError) {
        let stored = try file.tensor(named: name)
        try stored.require(shape: [tensor.rowCount, tensor.width])
        guard stored.type == .float32 else {
            throw InputError(stored.location, expected: "F32", found: stored.type.rawValue)
        }
        let values = backend.upload(
            try stored.float32Values(), rowCount: tensor.rowCount, width: tensor.width, type: .float32)
        backend.copy(values, scale: 1, into: tensor)
    }

    private static let fittedGroup = "fitted_parameter"

    private static func groups(of optimizer: AdamWOptimizer) -> [(String, [Tensor])] {
        [
            ("parameter", optimizer.parameters.map(\.value)), ("first_moment", optimizer.firstMoments),
            ("second_moment", optimizer.secondMoments),
        ]
    }

    static func write(_ document: JSONValue, to path: String) throws(InputError) {
        try AtomicFile.write(to: path, text: document.serialized(pretty: true) + "\n")
    }
}

extension TrainingConfiguration {
    /// Keys that may change when a run is resumed: where files are, what is reported and what is kept in memory, not
    /// what is computed. The content of the training data is compared by the data cursor's fingerprint.
    private static let freeToChange = [
        "output_folder", "data.training", "data.validation", "validation", "checkpoints", "trace", "profile",
        "activation_checkpointing",
    ]

    /// Keys whose values differ and would make the rest of the run another run.
    func changesThatMatter(
        comparedWith other: TrainingConfiguration
    ) -> [(path: String, old: String, new: String)] {
        func changes(
            _ old: JSONValue, _ new: JSONValue, _ path: String
        ) -> [(path: String, old: String, new: String)] {
            if Self.freeToChange.contains(path) || old == new { return [] }
            guard case .object(let members) = old, members.count > 0, new.objectValue != nil else {
                return [(path, old.serialized(), new.serialized())]
            }
            return members.members.flatMap { key, value in
                changes(value, new[key] ?? .null, path.isEmpty ? key : "\(path).\(key)")
            }
        }
        var found = changes(document, other.document, "")
        // Without a falling rate, the length of the run does not reach into its steps.
        if schedule.kind == .constant, schedule.warmupSteps != nil {
            found.removeAll { $0.path == "steps" || $0.path == "epochs" }
        }
        return found
    }
}
