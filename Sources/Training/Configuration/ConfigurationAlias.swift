// Keys that people know from other tools, as data: a name, where it goes, and how its value changes on the way.

package import FileSupport

/// A key of another tool that a configuration may use.
package struct ConfigurationAlias: Sendable {
    /// How the other tool's value becomes ours.
    package enum Conversion: Sendable {
        case same
        /// true means false.
        case negated
        /// A negative number means "no limit".
        case negativeIsNull
        /// Some words have other names here; the others stay.
        case words([String: String])
        /// Only these values mean what we always do; anything else is an error. The text says what we do.
        case accepted([JSONValue], because: String)
        /// True sets this value; false sets nothing.
        case whenTrue(JSONValue)
        /// axolotl's list of `{path, type}`.
        case datasetList
        /// mlx_lm's `{rank, scale, dropout, keys}`.
        case loraParameters
    }

    /// The other tool's key.
    package let name: String
    /// Our key path; empty where the conversion sets several or none.
    package let path: String
    package let conversion: Conversion

    init(_ name: String, _ path: String, _ conversion: Conversion = .same) {
        self.name = name
        self.path = path
        self.conversion = conversion
    }

    /// Keys of transformers, PEFT, TRL and axolotl.
    static let huggingFace = [
        ConfigurationAlias("base_model", "model"),
        ConfigurationAlias("model_name_or_path", "model"),
        ConfigurationAlias("output_dir", "output_folder"),
        ConfigurationAlias("datasets", "data.training", .datasetList),
        ConfigurationAlias("sequence_len", "data.sequence_length"),
        ConfigurationAlias(
            "sample_packing", "",
            .accepted(
                [.bool(true), .bool(false)],
                because: "batches never hold padding and sequences never see each other")),
        ConfigurationAlias("train_on_inputs", "data.mask_prompt", .negated),
        ConfigurationAlias("val_set_size", "data.validation_share"),
        ConfigurationAlias("micro_batch_size", "batch_size"),
        ConfigurationAlias("per_device_train_batch_size", "batch_size"),
        ConfigurationAlias("gradient_accumulation_steps", "gradient_accumulation"),
        ConfigurationAlias("gradient_checkpointing", "activation_checkpointing"),
        ConfigurationAlias("num_epochs", "epochs"),
        ConfigurationAlias("num_train_epochs", "epochs"),
        ConfigurationAlias("max_steps", "steps", .negativeIsNull),
        ConfigurationAlias("learning_rate", "optimizer.learning_rate"),
        ConfigurationAlias("weight_decay", "optimizer.weight_decay"),
        ConfigurationAlias("adam_beta1", "optimizer.beta1"),
        ConfigurationAlias("adam_beta2", "optimizer.beta2"),
        ConfigurationAlias("adam_epsilon", "optimizer.epsilon"),
        ConfigurationAlias("max_grad_norm", "optimizer.max_gradient_norm"),
        ConfigurationAlias("lr_scheduler", "schedule.kind", schedules),
        ConfigurationAlias("lr_scheduler_type", "schedule.kind", schedules),
        ConfigurationAlias("warmup_ratio", "schedule.warmup_ratio"),
        ConfigurationAlias("warmup_steps", "schedule.warmup_steps"),
        ConfigurationAlias("eval_steps", "validation.interval"),
        ConfigurationAlias("save_steps", "checkpoints.interval"),
        ConfigurationAlias("save_total_limit", "checkpoints.keep"),
        ConfigurationAlias("lora_r", "adapter.rank"),
        ConfigurationAlias("lora_alpha", "adapter.alpha"),
        ConfigurationAlias("lora_dropout", "adapter.dropout"),
        ConfigurationAlias("lora_target_modules", "adapter.targets"),
        ConfigurationAlias("target_modules", "adapter.targets"),
        ConfigurationAlias(
            "lora_target_linear", "adapter.targets", .whenTrue(.array([.string("all-linear")]))),
        ConfigurationAlias("layers_to_transform", "adapter.layers"),
        ConfigurationAlias("peft_layers_to_transform", "adapter.layers"),
        ConfigurationAlias("use_rslora", "adapter.rank_stabilised"),
        ConfigurationAlias("peft_use_rslora", "adapter.rank_stabilised"),
        ConfigurationAlias("bf16", "compute_type", .whenTrue(.string(ComputeType.bfloat16.rawValue))),
    ]

    /// Keys of mlx_lm.
    static let mlx = [
        ConfigurationAlias(
            "train", "", .accepted([.bool(true)], because: "the train command always trains")),
        ConfigurationAlias(
            "fine_tune_type", "", .accepted([.string("lora")], because: "this version trains LoRA adapters")),
        ConfigurationAlias("mask_prompt", "data.mask_prompt"),
        ConfigurationAlias("max_seq_length", "data.sequence_length"),
        ConfigurationAlias("num_layers", "adapter.last_layers", .negativeIsNull),
        ConfigurationAlias("lora_parameters", "adapter", .loraParameters),
        ConfigurationAlias("iters", "steps"),
        ConfigurationAlias("grad_accumulation_steps", "gradient_accumulation"),
        ConfigurationAlias("grad_checkpoint", "activation_checkpointing"),
        ConfigurationAlias("steps_per_eval", "validation.interval"),
        ConfigurationAlias("val_batches", "validation.batches", .negativeIsNull),
        ConfigurationAlias("save_every", "checkpoints.interval"),
        ConfigurationAlias("adapter_path", "output_folder"),
    ]

    private static let schedules = Conversion.words(["constant_with_warmup": "constant"])

    static let all = huggingFace + mlx

    /// Sections that other tools use as a key with a plain value: `data: folder`, `optimizer: adamw`.
    static let sections = [
        ConfigurationAlias("data", "data.training"),
        ConfigurationAlias(
            "optimizer", "",
            .accepted(
                ["adamw", "adamw_torch", "adamw_torch_fused", "adamw_hf"].map { .string($0) },
                because: "the optimizer is AdamW")),
        ConfigurationAlias("adapter", "", .accepted([.string("lora")], because: "adapters are LoRA")),
    ]
}

extension ConfigurationAlias {
    /// What this key with this value sets: our key paths and their values.
    ///
    /// - Parameter location: the layer and key, for errors.
    func assignments(
        of value: JSONValue, location: String
    ) throws(InputError) -> [(path: String, value: JSONValue)] {
        switch conversion {
        case .same: return [(path, value)]
        case .negated: return [(path, .bool(!(try truth(value, location))))]
        case .negativeIsNull: return [(path, value.integerValue.map { $0 < 0 } == true ? .null : value)]
        case .words(let words):
            return [(path, value.stringValue.flatMap { words[$0] }.map { .string($0) } ?? value)]
        case .whenTrue(let constant): return try truth(value, location) ? [(path, constant)] : []
        case .accepted(let values, let reason):
            guard values.contains(value) else {
                let choices = values.map { $0.stringValue ?? $0.serialized() }.joined(separator: ", ")
                throw InputError(
                    location, expected: choices, found: String(value.serialized().prefix(60)),
                    advice: "Remove the key: \(reason).")
            }
            return []
        case .datasetList: return try datasetAssignments(value, location)
        case .loraParameters: return try loraAssignments(value, location)
        }
    }

    private func truth(_ value: JSONValue, _ location: String) throws(InputError) -> Bool {
        guard let truth = value.boolValue else {
            throw InputError(location, expected: "true or false", found: value.kindName)
        }
        return truth
    }

    private func datasetAssignments(
        _ value: JSONValue, _ location: String
    ) throws(InputError) -> [(path: String, value: JSONValue)] {
        guard let entries = value.arrayValue, entries.count == 1, let entry = entries[0].objectValue else {
            throw InputError(
                location, expected: "a list of one {path, type}", found: value.kindName,
                advice: "Set data.training to one file or folder instead.")
        }
        var assignments: [(path: String, value: JSONValue)] = []
        for (key, member) in entry.members {
            switch key {
            case "path": assignments.append((path, member))
            case "type":
                let names = ["chat_template": "chat", "input_output": "completion"]
                let name = member.stringValue.flatMap { names[$0] }
                assignments.append(("data.format", name.map { .string($0) } ?? member))
            default:
                throw InputError(
                    "\(location).\(key)", "this key of a data set is not known here",
                    advice: "Set data.training and data.format instead.")
            }
        }
        return assignments
    }

    private func loraAssignments(
        _ value: JSONValue, _ location: String
    ) throws(InputError) -> [(path: String, value: JSONValue)] {
        guard let object = value.objectValue else {
            throw InputError(location, expected: "an object of keys", found: value.kindName)
        }
        var assignments: [(path: String, value: JSONValue)] = []
        for (key, member) in object.members {
            switch key {
            case "rank", "dropout": assignments.append(("adapter.\(key)", member))
            case "keys": assignments.append(("adapter.targets", member))
            case "scale":
                // mlx multiplies by the scale itself, so it stands for alpha / rank.
                guard let scale = member.doubleValue, let rank = object["rank"]?.doubleValue else {
                    throw InputError(
                        "\(location).scale", "a scale needs a rank beside it, both numbers",
                        advice: "Set adapter.alpha to scale times rank instead.")
                }
                assignments.append(("adapter.alpha", .number(scale * rank)))
            default:
                throw InputError(
                    "\(location).\(key)", "this key is not known here",
                    advice: NearestName.advice(for: key, among: ["rank", "dropout", "keys", "scale"]))
            }
        }
        return assignments
    }
}
