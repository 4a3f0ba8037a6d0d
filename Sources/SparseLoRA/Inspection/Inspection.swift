// Looks into a file or folder and says what it is.

internal import Checkpoints
internal import Training

public import FileSupport

/// Describes model, adapter and data files.
public enum Inspection {
    /// What is at a path: a model folder, a GGUF or safetensors file, a PEFT adapter folder, a run's folder (whose
    /// adapter is described) or a data file or folder.
    ///
    /// - Parameters:
    ///   - path: what to look into.
    ///   - dataModel: for a data file, the model whose tokenizer and template turn it into sequences.
    ///   - listsTensors: whether every tensor is listed.
    ///   - exampleCount: how many examples of a data file are shown with their trained parts marked; needs `dataModel`.
    /// - Throws: `InputError` when nothing is there, or what is there is damaged.
    public static func report(
        at path: String, dataModel: String? = nil, listsTensors: Bool = false, exampleCount: Int = 0
    ) throws(InputError) -> InspectionReport {
        switch FileStatus(path: path) {
        case .folder:
            if let folder = try? LanguageModel.adapterFolder(path) {
                return try adapterReport(folder, listsTensors: listsTensors)
            }
            if FileStatus(path: "\(path)/config.json") == .file {
                return try modelReport(path, listsTensors: listsTensors)
            }
            return try dataReport(path, model: dataModel, exampleCount: exampleCount)
        case .file:
            if path.hasSuffix(".jsonl") || path.hasSuffix(".json") {
                return try dataReport(path, model: dataModel, exampleCount: exampleCount)
            }
            let weights = try Weights.open(path)
            return weights is GGUFFile
                ? try modelReport(path, listsTensors: listsTensors) : try weightsReport(weights)
        case .missing:
            throw InputError(path, "there is no such file or folder")
        case .other:
            throw InputError(path, expected: "a file or folder", found: "a device or pipe")
        }
    }

    /// Counts and sizes by type, then perhaps every tensor.
    static func addTensors(
        of weights: any WeightSource, listsAll: Bool, to report: inout InspectionReport
    ) throws(InputError) {
        var byType: [(type: String, tensors: Int, parameters: Int, bytes: Int)] = []
        var all: [[String]] = [["tensor", "type", "shape"]]
        var list: [JSONValue] = []
        for name in weights.tensorNames {
            let tensor = try weights.tensor(named: name)
            let type = tensor.type.rawValue
            if !byType.contains(where: { $0.type == type }) { byType.append((type, 0, 0, 0)) }
            for index in byType.indices where byType[index].type == type {
                byType[index].tensors += 1
                byType[index].parameters += tensor.elementCount
                byType[index].bytes += tensor.byteCount
            }
            guard listsAll else { continue }
            all.append([name, type, "[\(tensor.shape.map(String.init).joined(separator: ", "))]"])
            list.append(
                .object(
                    JSONObject([
                        ("name", .string(name)), ("type", .string(type)),
                        ("shape", .array(tensor.shape.map { .integer($0) })),
                    ])))
        }
        var rows = [["type", "tensors", "parameters", "bytes"]]
        var types: [JSONValue] = []
        for entry in byType {
            rows.append([entry.type, "\(entry.tensors)", "\(entry.parameters)", "\(entry.bytes)"])
            types.append(
                .object(
                    JSONObject([
                        ("type", .string(entry.type)), ("tensors", .integer(entry.tensors)),
                        ("parameters", .integer(entry.parameters)), ("bytes", .integer(entry.bytes)),
                    ])))
        }
        report.tables.append(InspectionReport.Table(title: "weights", rows: rows))
        report.set("weights", .array(types))
        if listsAll {
            report.tables.append(InspectionReport.Table(title: "tensors", rows: all))
            report.set("tensors", .array(list))
        }
    }

    private static func weightsReport(_ weights: any WeightSource) throws(InputError) -> InspectionReport {
        var report = InspectionReport(title: "weights \(weights.path)")
        report.add("tensors", .integer(weights.tensorNames.count))
        try addTensors(of: weights, listsAll: true, to: &report)
        return report
    }

    private static func adapterReport(
        _ path: String, listsTensors: Bool
    ) throws(InputError) -> InspectionReport {
        let location = "\(path)/adapter_config.json"
        let configuration = try JSONParser.parse(fileAt: location)
        guard let object = configuration.objectValue else {
            throw InputError(location, expected: "an object", found: configuration.kindName)
        }
        var report = InspectionReport(title: "adapter \(path)")
        for key in [
            "peft_type", "base_model_name_or_path", "r", "lora_alpha", "target_modules", "lora_dropout",
            "use_rslora", "use_dora", "rank_pattern", "alpha_pattern", "layers_to_transform",
        ] {
            if let value = object[key], value != .null { report.add(key, value) }
        }
        let weights = try Weights.open("\(path)/adapter_model.safetensors")
        try addTensors(of: weights, listsAll: listsTensors, to: &report)
        return report
    }
}

extension InspectionReport {
    /// A fact that reads the same for people and programs.
    mutating func add(_ name: String, _ value: JSONValue) {
        facts.append((name, value.stringValue ?? value.serialized()))
        set(name, value)
    }

    /// A value for programs only.
    mutating func set(_ name: String, _ value: JSONValue) {
        guard case .object(var object) = json else { return }
        object[name.replacing(" ", with: "_")] = value
        json = .object(object)
    }
}
