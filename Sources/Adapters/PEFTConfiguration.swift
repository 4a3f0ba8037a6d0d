// adapter_config.json as PEFT writes and reads it.

import FileSupport

extension LoRAConfiguration {
    /// Reads PEFT's keys, with PEFT's defaults for absent ones.
    ///
    /// - Throws: `InputError` naming the key for anything wrong, and for every feature that would be lost in silence.
    init(peft object: JSONObject, location: String) throws(InputError) {
        let fields = PEFTFields(object: object, location: location)
        try fields.refuseUnsupported()
        self.init(
            rank: try fields.integer("r", default: 8), alpha: try fields.number("lora_alpha", default: 8),
            dropout: try fields.number("lora_dropout", default: 0), targets: try fields.targets(),
            layers: try fields.layers(),
            rankPattern: try fields.overrides("rank_pattern") { $0.integerValue },
            alphaPattern: try fields.overrides("alpha_pattern") { $0.doubleValue },
            rankStabilised: try fields.bool("use_rslora"))
        try validate(location: location)
    }

    /// PEFT's configuration for these adapters.
    ///
    /// - Parameters:
    ///   - targetModules: names or suffixes that mean exactly the adapted modules.
    ///   - baseModel: where the base model came from.
    func peftConfiguration(targetModules: [String], baseModel: String) -> JSONObject {
        func object<Value>(_ entries: [ModuleOverride<Value>], _ json: (Value) -> JSONValue) -> JSONValue {
            .object(JSONObject(entries.map { ($0.pattern, json($0.value)) }))
        }
        return JSONObject([
            ("alpha_pattern", object(alphaPattern, Self.number)),
            ("auto_mapping", .null),
            ("base_model_name_or_path", .string(baseModel)),
            ("bias", .string("none")),
            ("fan_in_fan_out", .bool(false)),
            ("inference_mode", .bool(true)),
            ("init_lora_weights", .bool(true)),
            ("layers_pattern", .null),
            ("layers_to_transform", .null),
            ("lora_alpha", Self.number(alpha)),
            ("lora_dropout", .number(dropout)),
            ("modules_to_save", .null),
            ("peft_type", .string("LORA")),
            ("r", .integer(rank)),
            ("rank_pattern", object(rankPattern) { .integer($0) }),
            ("revision", .null),
            ("target_modules", .array(targetModules.map { .string($0) })),
            ("task_type", .string("CAUSAL_LM")),
            ("use_dora", .bool(false)),
            ("use_rslora", .bool(rankStabilised)),
        ])
    }

    /// Whole numbers without a fraction: PEFT declares alpha as an integer.
    private static func number(_ value: Double) -> JSONValue {
        Int(exactly: value).map { .integer($0) } ?? .number(value)
    }
}

/// The members of an adapter_config.json.
private struct PEFTFields {
    let object: JSONObject
    let location: String

    /// Keys that this version reads, and keys that change nothing about a finished adapter.
    private static let understood: Set<String> = [
        "r", "lora_alpha", "lora_dropout", "target_modules", "layers_to_transform", "layers_pattern",
        "rank_pattern",
        "alpha_pattern", "use_rslora", "peft_type", "task_type", "bias", "init_lora_weights",
        "base_model_name_or_path", "revision", "inference_mode", "auto_mapping", "peft_version",
        "megatron_core",
        "qalora_group_size", "runtime_config", "eva_config", "corda_config", "lora_ga_config",
        "ensure_weight_tying",
    ]
    /// Ways to start training that leave the base model as it is. PiSSA, OLoRA, LoftQ and CorDA change it.
    private static let plainInitialisations = ["gaussian", "orthogonal", "eva"]

    func value(_ key: String) -> JSONValue? {
        guard let value = object[key], value != .null else { return nil }
        return value
    }

    func refuseUnsupported() throws(InputError) {
        let type = try string("peft_type")
        guard type == "LORA" else {
            throw InputError(
                "\(location) peft_type",
                "adapters of type \"\(type.prefix(40))\" are not supported, only LORA")
        }
        if let bias = value("bias"), bias != .string("none") { throw unsupported("bias", bias) }
        if let start = value("init_lora_weights"), start.boolValue == nil,
            !Self.plainInitialisations.contains(start.stringValue ?? "")
        {
            throw unsupported("init_lora_weights", start)
        }
        for (key, value) in object.members where !Self.understood.contains(key) && Self.isSet(value) {
            throw unsupported(key, value)
        }
    }

    /// Null, false and empty containers switch a feature off.
    private static func isSet(_ value: JSONValue) -> Bool {
        switch value {
        case .null, .bool(false): false
        case .array(let elements): !elements.isEmpty
        case .object(let members): members.count > 0
        case .string(let text): !text.isEmpty
        default: true
        }
    }

    private func unsupported(_ key: String, _ value: JSONValue) -> InputError {
        InputError(
            "\(location) \(key)", "\(value.serialized().prefix(60)) is not supported",
            advice: "Merge this adapter into its base model with the tool that made it.")
    }

    private func wrong(_ key: String, expected: String, _ value: JSONValue) -> InputError {
        InputError("\(location) \(key)", expected: expected, found: value.serialized().prefix(60).description)
    }

    func integer(_ key: String, default fallback: Int) throws(InputError) -> Int {
        guard let value = value(key) else { return fallback }
        guard let integer = value.integerValue else { throw wrong(key, expected: "a whole number", value) }
        return integer
    }

    func number(_ key: String, default fallback: Double) throws(InputError) -> Double {
        guard let value = value(key) else { return fallback }
        guard let number = value.doubleValue else { throw wrong(key, expected: "a number", value) }
        return number
    }

    func bool(_ key: String) throws(InputError) -> Bool {
        guard let value = value(key) else { return false }
        guard let bool = value.boolValue else { throw wrong(key, expected: "true or false", value) }
        return bool
    }

    func string(_ key: String) throws(InputError) -> String {
        guard let value = value(key) else { throw InputError(location, "there is no key \"\(key)\"") }
        guard let string = value.stringValue else { throw wrong(key, expected: "a string", value) }
        return string
    }

    func targets() throws(InputError) -> LoRAConfiguration.Targets {
        guard let value = value("target_modules") else {
            throw InputError(
                location, "there is no key \"target_modules\"", advice: "Name the adapted modules in it.")
        }
        if let text = value.stringValue {
            return text == LoRAConfiguration.Targets.allLinearName ? .allLinear : .matching(text)
        }
        let names = value.arrayValue?.compactMap(\.stringValue)
        guard let names, names.count == value.arrayValue?.count else {
            throw wrong("target_modules", expected: "a list of names or a pattern", value)
        }
        return .named(names)
    }

    func layers() throws(InputError) -> LoRAConfiguration.Layers {
        if let pattern = value("layers_pattern"), Self.isSet(pattern) {
            let names = pattern.arrayValue ?? [pattern]
            guard names == [.string("layers")] else { throw unsupported("layers_pattern", pattern) }
        }
        guard let value = value("layers_to_transform") else { return .all }
        let elements = value.arrayValue ?? [value]
        let numbers = elements.compactMap(\.integerValue)
        guard numbers.count == elements.count else {
            throw wrong("layers_to_transform", expected: "layer numbers", value)
        }
        return numbers.isEmpty ? .all : .only(numbers)
    }

    func overrides<Value>(
        _ key: String, _ convert: (JSONValue) -> Value?
    ) throws(InputError) -> [LoRAConfiguration.ModuleOverride<Value>] {
        guard let value = value(key) else { return [] }
        guard let members = value.objectValue?.members else { throw wrong(key, expected: "an object", value) }
        var overrides: [LoRAConfiguration.ModuleOverride<Value>] = []
        for (pattern, value) in members {
            guard let converted = convert(value) else {
                throw wrong("\(key) \"\(pattern)\"", expected: "a number", value)
            }
            overrides.append(.init(pattern, converted))
        }
        return overrides
    }
}
