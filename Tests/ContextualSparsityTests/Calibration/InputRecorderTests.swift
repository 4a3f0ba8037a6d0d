// What a calibration sees of a sample.

import Models
import TensorEngine
import TestSupport
import Testing

@testable import ContextualSparsity

@Suite struct `A recorded sample` {
    /// Inputs of the first layer's feed-forward network, and the mean of what its output projection reads.
    private func recorded(
        _ run: SparseRun, _ sequences: [[Int32]], labels: [Int32], limit: Int = 1000
    ) throws -> (rows: Int, inputs: [Float], mixed: [Float]) {
        let recorder = try InputRecorder(
            run.model, sample: [PackedSequences(sequences).scoring(labels)],
            plan: run.plan(.calibrated), rowLimit: limit)
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
