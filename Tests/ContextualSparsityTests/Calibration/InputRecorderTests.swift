// What a calibration sees of a sample.

import Models
import TensorEngine
import TestSupport
import Testing

@testable import ContextualSparsity

@Suite struct `A recorded sample` {
    /// Inputs of the first layer's feed-forward network, and the mean of what its output projection reads.
    private func recorded(
        _ run: SparseRun, _ sequences: [[Int32]], labels: [Int32], limit: Int = 1000,
        seesAdapters: Bool = false
    ) throws -> (rows: Int, inputs: [Float], mixed: [Float]) {
        let recorder = try InputRecorder(
            run.model, sample: [PackedSequences(sequences).scoring(labels)],
            plan: run.plan(.calibrated), rowLimit: limit, seesAdapters: seesAdapters)
        let moments = try #require(recorder.attentionMoments(layer: 0))
        return (
            recorder.rowCount, run.backend.download(recorder.inputs(layer: 0, on: run.backend)),
            run.backend.download(moments.mixed.mean)
        )
    }

    @Test func `holds the context rows but the first of each sequence, whatever the answers`() throws {
        let run = try SparseRun("llama")
        let batch = SparseRun.batch()
        let whole = try recorded(run, batch.sequences, labels: batch.labels)
        // Prompts of 9, 20 and 3 tokens; the last of each predicts the answer's first.
        #expect(whole.rows == 7 + 18 + 1)
        #expect(whole.inputs.count == whole.rows * run.model.configuration.width)
        let others = zip(batch.sequences, batch.prompts).map { tokens, prompt in
            Array(tokens.prefix(prompt)) + tokens.dropFirst(prompt).map { 160 - $0 }
        }
        let changed = try recorded(run, others, labels: batch.labels)
        #expect(changed.inputs == whole.inputs && changed.mixed == whole.mixed)
        let first = try recorded(run, batch.sequences, labels: batch.labels, limit: 5)
        #expect(first.rows == 5)
    }

    @Test func `is the frozen model's unless the adapters are to be seen`() throws {
        let run = try SparseRun("llama")
        let batch = SparseRun.batch()
        func inputs(seesAdapters: Bool = false) throws -> [Float] {
            try recorded(run, batch.sequences, labels: batch.labels, seesAdapters: seesAdapters).inputs
        }
        let frozen = try inputs()
        #expect(run.model.linears.contains { $0.adapter != nil })
        #expect(try inputs(seesAdapters: true) != frozen)
        for linear in run.model.linears { linear.adapter = nil }
        #expect(try inputs() == frozen)
    }

    @Test(arguments: SparseRun.models)
    func `with the adapters in it makes fits that are closer to the adapted model`(name: String) throws {
        let run = try SparseRun(name)
        var random = TestSupport.SeededRandom(seed: 2)
        let sequences = (0..<8).map { _ in (0..<48).map { _ in Int32(random.next() % 157) + 3 } }
        let sample = PackedSequences(sequences).scoring(sequences.flatMap { $0 })
        var plan = SparsityPlan.uniform(feedForward: 0.5, attention: 0.25, layers: 0..<1)
        (plan.rank, plan.contextTokens) = (4, .all)
        func output(_ policy: (any SparsityPolicy)?) throws -> [Float] {
            let tape = Tape(backend: run.backend, isRecording: false)
            return run.backend.download(try run.model.hiddenStates(sample, on: tape, policy: policy).value)
        }
        func fitted(seesAdapters: Bool) throws -> CalibratedSparsity {
            let recorded = try InputRecorder(
                run.model, sample: [sample], plan: plan, rowLimit: 1000, seesAdapters: seesAdapters)
            return try CalibratedSparsity(run.model, plan: plan, recorded: recorded)
        }
        // Large enough that the frozen model's statistics are not the adapted one's.
        for linear in run.model.linears {
            guard let pair = linear.adapter else { continue }
            linear.adapter = LowRankPair(a: pair.a, b: pair.b, scale: 4 * pair.scale)
        }
        let dense = try output(nil)
        let errors = try [false, true].map { relativeError(try output(fitted(seesAdapters: $0)), dense) }
        #expect(errors[1] < 0.95 * errors[0], "\(errors)")
    }

    @Test func `holds a question that follows an answer, which depends on that answer`() throws {
        let run = try SparseRun("llama")
        let tokens: [Int32] = [5, 9, 40, 41, 77, 78, 79, 30]
        let labels: [Int32] = [-1, 40, 41, -1, -1, -1, 30, -1]
        let inputs = try recorded(run, [tokens], labels: labels)
        #expect(inputs.rows == 3)
        var others = tokens
        others[2] = 44
        #expect(try recorded(run, [others], labels: labels).inputs != inputs.inputs)
    }
}
