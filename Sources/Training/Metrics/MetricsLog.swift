// metrics.jsonl: one line for every step and validation, and the history that the loss curve draws.

internal import FileSupport

/// Writes metrics as JSON lines and keeps what the loss curve needs.
final class MetricsLog {
    private(set) var curve = LossCurve()
    private let file: AppendedFile

    /// - Parameter keptCount: bytes to keep of an existing file: 0 for a new run, a checkpoint's position to resume.
    init(path: String, keptCount: Int) throws(InputError) {
        file = try AppendedFile(path: path, keptCount: keptCount)
        guard keptCount > 0 else { return }
        let mapped = try MappedFile(path: path)
        let lines = mapped.withBytes { $0.split(separator: UInt8(ascii: "\n")).map { Array($0) } }
        for (index, line) in lines.enumerated() {
            let record = try JSONParser.parse(line, location: path, firstLine: index + 1)
            // These are for readers of the file: the curve does not draw them.
            if [Self.probeType, Self.sparsityType, Self.refitType].contains(record["type"]?.stringValue) {
                continue
            }
            guard let step = record["step"]?.integerValue, let loss = record["loss"]?.doubleValue else {
                throw InputError("\(path) line \(index + 1)", "there is no step and loss in it")
            }
            if record["type"] == .string("validation") {
                curve.addValidation(step: step, loss: loss)
            } else {
                curve.addStep(step, loss: loss)
            }
        }
    }

    /// Bytes in the file, for checkpoints.
    var position: Int { file.count }

    func append(_ metrics: StepMetrics) throws(InputError) {
        try append(ConfigurationEncoder.encode(metrics), type: "step")
        curve.addStep(metrics.step, loss: metrics.loss)
    }

    func append(_ metrics: ValidationMetrics) throws(InputError) {
        try append(ConfigurationEncoder.encode(metrics), type: "validation")
        curve.addValidation(step: metrics.step, loss: metrics.loss)
    }

    func append(_ probe: SparsityProbe) throws(InputError) {
        try append(ConfigurationEncoder.encode(probe), type: Self.probeType)
    }

    func append(_ report: SparsityReport) throws(InputError) {
        try append(ConfigurationEncoder.encode(report), type: Self.sparsityType)
    }

    func append(_ refit: SparsityRefit) throws(InputError) {
        try append(ConfigurationEncoder.encode(refit), type: Self.refitType)
    }

    private static let refitType = "sparsity_refit"
    private static let probeType = "sparsity_probe"
    private static let sparsityType = "sparsity"

    private func append(_ record: JSONValue, type: String) throws(InputError) {
        let members =
            [("type", JSONValue.string(type))] + (record.objectValue?.members.map { ($0, $1) } ?? [])
        try file.append(.object(JSONObject(members.map { (key: $0, value: $1) })))
    }
}
