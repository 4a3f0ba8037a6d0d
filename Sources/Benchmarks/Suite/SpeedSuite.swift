// Runs cases and keeps what they found.

internal import FileSupport
internal import Foundation

final class SpeedSuite {
    let setting: SpeedSetting
    private(set) var record: RunRecord
    private let contest: Contest

    /// - Parameter begun: the run that goes on; nil for a new one.
    init(setting: SpeedSetting, begun: RunRecord? = nil) {
        self.setting = setting
        record =
            begun
            ?? RunRecord(machine: .current(), form: setting.form.rawValue, options: setting.options)
        contest = Contest(workFolder: setting.work) { text in
            FileHandle.standardError.write(Data("\(text)\n".utf8))
        }
    }

    func run(_ speedCase: SpeedCase) throws {
        let seconds = try Measurement.seconds { try measure(speedCase) }
        record.cases.append(FinishedCase(name: speedCase.rawValue, seconds: seconds))
    }

    private func measure(_ speedCase: SpeedCase) throws {
        switch speedCase {
        case .kernels: runKernels()
        case .step: try runStep()
        case .bf16Peer: try runStepBesideBF16()
        case .sparsity: try runSparsity()
        case .projections: try runProjections()
        case .gemma: try runGemma()
        case .billion: try runBillion()
        case .generation: try runGeneration()
        case .growth: try runGrowth()
        case .arithmetic: try runRealData("arithmetic", share: 1, sparsity: nil, goal: 3)
        case .commonsense: try runRealData("commonsense", share: 0.1, sparsity: 0.5, goal: 5)
        }
    }

    // MARK: What cases are made of

    func note(
        _ scenario: String, _ subject: String, _ quantity: String, _ value: Double, isBound: Bool = false
    ) {
        note([
            Figure(
                scenario: scenario, subject: subject, quantity: quantity, value: value, isBound: isBound)
        ])
    }

    func note(_ figures: [Figure]) { record.add(figures: figures) }

    func record(_ bars: [Bar]) { record.add(bars: bars) }

    /// - Parameters:
    ///   - value: nil where it could not be measured, which the note explains; no number where a program did not get so far.
    func bar(
        _ name: String, _ direction: Bar.Direction, _ goal: Double, _ value: Double?, unit: String,
        _ note: String
    ) {
        let isUnfinished = value.map { !$0.isFinite } ?? false
        record([
            Bar(
                name: name, direction: direction, goal: goal, value: value, unit: unit,
                note: isUnfinished ? Self.unfinished : note)
        ])
    }

    /// This executable taking the steps of a work.
    func ours(_ name: String, _ arguments: [String], limit: Double = 600, turns: Int = 1) -> Contender {
        Contender(
            name: name, command: [CommandLine.arguments[0]] + arguments + ["--worker"], limit: limit,
            turns: turns)
    }

    /// PEFT taking the same steps; nil where there is no Python for it.
    func peft(_ arguments: [String], dtype: String, rival: String? = nil) -> Contender? {
        guard let python = setting.python else { return nil }
        let arguments = Array(arguments.drop { $0 == "step" })
        return Contender(
            name: Self.peftName(dtype),
            command: [python, setting.peer] + arguments + ["--dtype", dtype, "--worker"],
            limit: setting.isQuick ? 120 : 300, rival: rival)
    }

    static func peftName(_ dtype: String) -> String { "PEFT \(dtype == "bfloat16" ? "bf16" : "f32")" }

    /// The type in which PyTorch is fast on this processor.
    var peftType: String { Machine.hasBF16Products ? "bfloat16" : "float32" }

    /// Against whom a ratio is.
    func note(_ peer: Standing?) -> String {
        guard let peer else { return Self.noPeer }
        let type = peftType == "bfloat16" ? "" : ": without bf16 products its bf16 is slower still"
        return "against \(peer.name)\(type)\(Self.boundNote(peer))"
    }

    static func boundNote(_ peer: Standing) -> String { peer.isBound ? "; stopped, so at least that" : "" }

    static let noPeer = "no Python with PEFT was given"
    static let stoppedPeer = "PEFT was stopped after its limit"
    static let unfinished = "a program was stopped before its first timed step"

    /// The faster of the peers that took all their steps, and what to say where there is none.
    static func fastest(_ peers: [Standing]) -> (peer: Standing?, noneNote: String) {
        let peer = peers.filter { !$0.isBound }.min { $0.median < $1.median }
        return (peer, peers.isEmpty ? noPeer : stoppedPeer)
    }

    /// Every contender takes one step that does not count and its turns of `rounds` rounds, alternating.
    func hold(_ contenders: [Contender?], rounds: Int) throws -> [Standing] {
        try contest.run(contenders.compactMap(\.self), warmup: 1, rounds: rounds)
    }

    /// The same for a step case, whose times, rates and memory become figures; by name.
    ///
    /// - Parameter tokens: of all rounds together where each is another batch; nil where each is the same one.
    func compete(
        _ scenario: String, _ contenders: [Contender?], rounds: Int, tokens: Int? = nil
    ) throws -> [String: Standing] {
        let standings = try hold(contenders, rounds: rounds)
        report(scenario, standings, tokens: tokens)
        return Dictionary(uniqueKeysWithValues: standings.map { ($0.name, $0) })
    }

    private func report(_ scenario: String, _ standings: [Standing], tokens: Int?) {
        for standing in standings {
            let seconds = tokens == nil ? standing.median : standing.total
            let count = tokens.map { Double($0) } ?? standing.ready["tokens"]?.doubleValue ?? 0
            note(scenario, standing.name, "seconds", seconds, isBound: standing.isBound)
            if !standing.isBound { note(scenario, standing.name, "tokens/s", count / seconds) }
            note(
                scenario, standing.name, "peak GB", standing.peakGigabytes, isBound: standing.isBound)
            guard standing.gigaflop > 0, tokens == nil else { continue }
            note(scenario, standing.name, "GFLOP needed", standing.gigaflop)
            note(scenario, standing.name, "share of peak", standing.shareOfPeak)
        }
    }

    /// Judges how much of the speed-up that operations predict a sparse step has realised.
    ///
    /// - Parameter note: follows the speed-up that they predict.
    func realisedBar(
        _ name: String, _ goal: Double, _ sparse: Standing, over dense: Standing, note: String = ""
    ) {
        let predicted = sparse.denseGigaflop / sparse.gigaflop
        let measured = Measurement.median(zip(dense.seconds, sparse.seconds).map { $0 / $1 })
        bar(
            name, .atLeast, goal, measured / predicted, unit: "", "predicted \(fixed(predicted, 2))x\(note)")
    }
}
