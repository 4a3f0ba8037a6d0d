// Each criterion against its definition in plain code.

import ContextualSparsity
import FileSupport
import Models
import TensorEngine
import TestSupport
import Testing

@Suite struct `Criteria for channels` {
    private let batch = SparseRun.batch()

    private func kept(
        _ run: SparseRun, _ plan: SparsityPlan, seed: UInt64 = 0, step: Int = 0
    ) throws -> [String: [Int32]] {
        let policy = try ScoredSparsity(run.model, plan: plan, seed: seed)
        policy.prepare(step: step)
        let spy = PolicySpy(policy)
        _ = try run.train(batch, policy: spy)
        return spy.kept
    }

    private func largest(_ scores: [Double], dropping share: Double) -> [Int32] {
        let order = scores.indices.sorted { scores[$0] == scores[$1] ? $0 < $1 : scores[$0] > scores[$1] }
        return order.prefix(KeptChannels.count(of: scores.count, dropping: share)).sorted().map { Int32($0) }
    }

    @Test func `random channels follow from seed, step and layer alone`() throws {
        let run = try SparseRun("llama")
        let plan = run.plan(.random)
        let first = try kept(run, plan, seed: 1, step: 7)
        #expect(try kept(run, plan, seed: 1, step: 7) == first)
        for other in [try kept(run, plan, seed: 1, step: 8), try kept(run, plan, seed: 2, step: 7)] {
            #expect(other.keys == first.keys && other.allSatisfy { $0.value != first[$0.key] })
        }
        #expect(first["0.feed_forward"] != first["1.feed_forward"] && first["0.key"] != first["0.value"])
        // A resumed run asks a new policy from some step on.
        let policy = try ScoredSparsity(run.model, plan: plan, seed: 1)
        let spy = PolicySpy(policy)
        for step in 0...7 {
            policy.prepare(step: step)
            _ = try run.train(batch, policy: spy)
        }
        #expect(spy.kept == first)
    }

    @Test func `norms of weights count every matrix that a channel joins`() throws {
        let run = try SparseRun("qwen3")
        let sets = try kept(run, run.plan(.norm))
        let linears = run.model.linears(ofLayer: 1)
        func norms(_ linear: Linear) -> [Double] {
            let tensor = linear.weight.tensor
            let values = run.backend.download(tensor)
            return (0..<tensor.rowCount).map { row in
                (0..<tensor.width).reduce(0) { $0 + pow2(values[row * tensor.width + $1]) }.squareRoot()
            }
        }
        func pow2(_ value: Float) -> Double { Double(value) * Double(value) }
        let (gate, up, down) = (norms(linears.gate), norms(linears.up), norms(linears.down))
        // The last layer computes scored rows alone, which are dense: look at the first.
        #expect(sets["1.feed_forward"] == nil && gate.count == up.count && up.count == down.count)
        let first = run.model.linears(ofLayer: 0)
        let products = zip(zip(norms(first.gate), norms(first.up)), norms(first.down)).map {
            $0.0 * $0.1 * $1
        }
        #expect(sets["0.feed_forward"] == largest(products, dropping: 0.6))
        #expect(sets["1.value"] == largest(norms(linears.value), dropping: 0.5))
    }

    /// What the first block's feed-forward network reads and gives, context rows alone, recorded through a policy.
    private final class Recorder: SparsityPolicy {
        let denseLeadingTokens = 0
        var input: [Float] = []
        var rows: [Int32] = []

        func feedForward(
            layer: Int, input: Tensor, rows: RowPartition, on backend: any Backend
        ) -> ChannelUse? {
            guard layer == 0 else { return nil }
            self.input = backend.download(input)
            self.rows = backend.downloadIndices(rows.context)
            return nil
        }
    }

    @Test func `the oracle sees activations with adapters, and Wanda weighs them`() throws {
        let run = try SparseRun("llama")
        let recorder = Recorder()
        _ = try run.train(batch, policy: recorder)
        let width = run.model.configuration.width
        let linears = run.model.linears(ofLayer: 0)
        func output(_ linear: Linear, _ row: Int32) throws -> [Double] {
            let x = recorder.input[Int(row) * width..<Int(row + 1) * width].map(Double.init)
            let weight = SmallMatrix(downloading: linear.weight.tensor, from: run.backend)
            let adapter = try #require(linear.adapter)
            let a = SmallMatrix(downloading: adapter.a.value, from: run.backend)
            let b = SmallMatrix(downloading: adapter.b.value, from: run.backend)
            let column = SmallMatrix(rowCount: width, width: 1, values: x)
            let low = b.times(a.times(column)).values
            return zip(weight.times(column).values, low).map { $0 + Double(adapter.scale) * $1 }
        }
        var squares = [Double](repeating: 0, count: run.model.configuration.feedForwardWidth)
        for row in recorder.rows {
            for (channel, (gate, up)) in zip(try output(linears.gate, row), try output(linears.up, row))
                .enumerated()
            {
                let gated = run.backend.makeTensor(rowCount: 1, width: 1, type: .float32)
                run.backend.gate(
                    .silu, gate: run.backend.upload([Float(gate)], rowCount: 1, width: 1, type: .float32),
                    up: run.backend.upload([Float(up)], rowCount: 1, width: 1, type: .float32), rows: nil,
                    into: gated)
                let h = Double(run.backend.download(gated)[0])
                squares[channel] += h * h
            }
        }
        let norms = squares.map { $0.squareRoot() }
        #expect(
            try kept(run, run.plan(.oracle, attention: 0))["0.feed_forward"] == largest(norms, dropping: 0.6))

        let down = SmallMatrix(downloading: linears.down.weight.tensor, from: run.backend)
        var scores = [Double](repeating: 0, count: norms.count)
        for output in 0..<down.width {
            let received = norms.indices.map { abs(down[$0, output]) * norms[$0] }
            let sum = received.reduce(0, +)
            for channel in scores.indices { scores[channel] += received[channel] / sum }
        }
        let wanda = try kept(run, run.plan(.wanda, attention: 0))["0.feed_forward"]
        #expect(wanda == largest(scores, dropping: 0.6) && wanda != largest(norms, dropping: 0.6))
    }

    @Test func `layers that the plan does not list are dense`() throws {
        let run = try SparseRun("llama")
        let plan = SparsityPlan(method: .norm, feedForward: [0: 0.5], attention: [1: 0.5])
        #expect(Set(try kept(run, plan).keys) == ["0.feed_forward", "1.query", "1.key", "1.value"])
        let beyond = SparsityPlan(method: .norm, feedForward: [2: 0.5])
        #expect(throws: InputError.self) { try ScoredSparsity(run.model, plan: beyond) }
    }
}
