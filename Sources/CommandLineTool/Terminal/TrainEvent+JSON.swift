// Events of a run as JSON lines: {"event": "step", "step": 1, "loss": …}, keys in snake case.

internal import Foundation
internal import SparseLoRA

extension TrainEvent {
    /// One line for a program.
    func jsonLine() throws -> String {
        switch self {
        case .started(let plan): try Self.line("started", plan)
        case .step(let metrics): try Self.line("step", metrics)
        case .validation(let metrics): try Self.line("validation", metrics)
        case .sparsityProbe(let probe): try Self.line("sparsity_probe", probe)
        case .refitting(let progress):
            try Self.line("refitting", RefittingNote(stage: progress.stage, share: progress.share))
        case .sparsityRefit(let refit): try Self.line("sparsity_refit", refit)
        case .checkpointSaved(let step, let path):
            try Self.line("checkpoint", CheckpointNote(step: step, path: path))
        case .warning(let text): try Self.line("warning", WarningNote(text: text))
        case .profiled(let profile): try Self.line("profile", profile)
        case .finished(let summary): try Self.line("finished", summary)
        }
    }

    private struct CheckpointNote: Encodable {
        let step: Int
        let path: String
    }

    private struct RefittingNote: Encodable {
        let stage: String
        let share: Double
    }

    private struct WarningNote: Encodable {
        let text: String
    }

    private static func line(_ event: String, _ body: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        // JSON has no such numbers, and a validation loss may be one.
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let text = String(decoding: try encoder.encode(body), as: UTF8.self)
        return "{\"event\":\"\(event)\",\(text.dropFirst())"
    }
}
