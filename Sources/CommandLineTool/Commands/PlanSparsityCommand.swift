// sparselora plan-sparsity: measures where sparsity hurts least and writes a plan.

internal import ArgumentParser
internal import Foundation
internal import SparseLoRA

struct PlanSparsityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan-sparsity",
        abstract: "Measures what sparsity does to each block of a model and writes a plan.",
        discussion: """
              sparselora plan-sparsity --model M --data train.jsonl --sparsity 0.6 --output plan
              sparselora plan-sparsity -c run.yaml --set sparsity.loss_bound=0.02 --output plan

            Takes the options of train; train --sparsity plan/sparsity.yaml runs the result. --sparsity is the share of \
            plain LoRA's operations to spend, or auto (the default) for the cheapest plan whose loss stays within \
            sparsity.loss_bound. The output folder gets sparsity.yaml, to read and edit, and sparsity.svg, a picture of \
            the measurement.
            """)

    @OptionGroup var flags: TrainingFlags

    @Flag(help: "Print the result as JSON.") var json = false

    func run() throws {
        try reportingFailures {
            let configuration = try flags.configuration()
            var progress = ProgressLine()
            let planning = try SparsityPlanning(configuration) {
                progress.update($0.share, $0.stage)
            }
            progress.clear()
            let folder = configuration.outputFolder
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try planning.plan.write(to: "\(folder)/sparsity.yaml")
            try AtomicFile.write(to: "\(folder)/sparsity.svg", text: planning.heatMap)
            if json {
                Output.line(try Self.jsonText(planning, folder: folder))
            } else {
                Output.line(Self.table(planning))
                Output.line("")
                for line in Self.facts(planning) { Output.line(line) }
                Output.line("plan     \(folder)/sparsity.yaml")
                Output.line("picture  \(folder)/sparsity.svg")
            }
        }
    }

    /// A row for each layer: what was measured, and what the plan leaves out.
    private static func table(_ planning: SparsityPlanning) -> String {
        func percent(_ value: Double?) -> String { value.map { Format.fixed(100 * $0, 2) + "%" } ?? "-" }
        func share(_ value: Double?) -> String { value.map { Format.fixed($0, 3) } ?? "dense" }
        var table = TextTable()
        table.add(["layer", "feed-forward hurts", "left out", "attention hurts", "left out"])
        for block in planning.blocks {
            table.add([
                "\(block.layer)", percent(block.feedForward), share(planning.plan.feedForward[block.layer]),
                percent(block.attention), share(planning.plan.attention[block.layer]),
            ])
        }
        return table.rendered()
    }

    private static func facts(_ planning: SparsityPlanning) -> [String] {
        var lines = [
            "\"hurts\": change of the predictions when three quarters of that feed-forward network, or half of that",
            "attention's projections, are left out for context tokens, relative to the loss.",
        ]
        if let share = planning.plan.flopShare {
            lines.append(
                "spends   \(Format.fixed(100 * share, 1))% of plain LoRA's operations; expected "
                    + "\(Format.fixed(planning.speedUp, 2)) times as fast as a dense step")
        }
        lines.append("         \(planning.operations.line)")
        var gradients: [String] = []
        if planning.plan.gradientShare < 1 {
            gradients.append(
                "of \(Format.fixed(100 * planning.plan.gradientShare, 0))% of the tokens in a layer")
        }
        if planning.plan.wordThreshold > 0 {
            gradients.append(
                "of words from a probability of \(planning.plan.wordThreshold) on, "
                    + "\(Format.fixed(100 * planning.plan.wordShare, 1))% of the vocabulary")
        }
        if !gradients.isEmpty { lines.append("gradient \(gradients.joined(separator: "; "))") }
        if let rise = planning.plan.predictedLossRise {
            lines.append(
                "loss     \(Format.fixed(planning.denseLoss, 3)) dense; predicted rise in sparse passes "
                    + "\(Format.fixed(100 * rise, 1))%, seen \(Format.fixed(100 * planning.lossRise, 1))% "
                    + "on \(planning.scoredTokens) tokens")
        }
        if let rise = planning.plan.predictedTrainingRise {
            lines.append(
                "trained  held-out loss about \(Format.fixed(100 * rise, 1))% above that of dense training")
        }
        return lines
    }

    private struct Report: Encodable {
        struct Block: Encodable {
            let layer: Int
            let feedForward: Double?
            let attention: Double?
            let feedForwardShare: Double
            let attentionShare: Double
        }
        let plan: String
        let picture: String
        let flopShare: Double?
        let speedUp: Double
        let gradientShare: Double
        let wordThreshold: Double
        let wordShare: Double
        let operations: [SparsityReport.Part]
        let predictedTrainingRise: Double?
        let predictedLossRise: Double?
        let lossRise: Double
        let denseLoss: Double
        let scoredTokens: Int
        let blocks: [Block]
    }

    private static func jsonText(_ planning: SparsityPlanning, folder: String) throws -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let report = Report(
            plan: "\(folder)/sparsity.yaml", picture: "\(folder)/sparsity.svg",
            flopShare: planning.plan.flopShare, speedUp: planning.speedUp,
            gradientShare: planning.plan.gradientShare, wordThreshold: planning.plan.wordThreshold,
            wordShare: planning.plan.wordShare, operations: planning.operations,
            predictedTrainingRise: planning.plan.predictedTrainingRise,
            predictedLossRise: planning.plan.predictedLossRise,
            lossRise: planning.lossRise, denseLoss: planning.denseLoss, scoredTokens: planning.scoredTokens,
            blocks: planning.blocks.map { block in
                Report.Block(
                    layer: block.layer, feedForward: block.feedForward, attention: block.attention,
                    feedForwardShare: planning.plan.feedForward[block.layer] ?? 0,
                    attentionShare: planning.plan.attention[block.layer] ?? 0)
            })
        return String(decoding: try encoder.encode(report), as: UTF8.self)
    }
}
