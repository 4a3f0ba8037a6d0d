// What contextual sparsity must be, whatever chooses the channels: exact where it runs, absent where it does not.

import Adapters
import ContextualSparsity
import Models
import TensorEngine
import TestSupport
import Testing

@Suite struct `Contextual sparsity` {
    private let batch = SparseRun.batch()

    @Test(arguments: SparseRun.models, SparsityPlan.FeedForwardAdapters.allCases)
    func `equals a dense pass whose other channels are zeroed`(
        name: String, adapters: SparsityPlan.FeedForwardAdapters
    ) throws {
        let run = try SparseRun(name)
        var plan = run.plan(.random)
        // Every row, so that one set of weights serves all.
        plan.contextTokens = .all
        plan.feedForwardAdapters = adapters
        let policy = PolicySpy(try ScoredSparsity(run.model, plan: plan, seed: 3))
        let sparse = try run.train(batch, policy: policy)
        #expect(policy.kept.count == 5 * run.layers.count)

        let zeroed = try SparseRun(name)
        for layer in zeroed.layers {
            let linears = zeroed.model.linears(ofLayer: layer)
            let kept = { (name: String) in policy.kept["\(layer).\(name)"] ?? [] }
            for (linear, set) in [
                (linears.query, "query"), (linears.key, "key"), (linears.value, "value"),
                (linears.output, "output"), (linears.gate, "feed_forward"), (linears.up, "feed_forward"),
                (linears.down, "feed_forward"),
            ] {
                let weight = linear.weight
                linear.replaceWeight(
                    FrozenWeight(
                        keepingRows(of: weight.tensor, kept(set), on: run.backend), layout: weight.layout))
            }
            guard adapters == .channelMasked else { continue }
            for linear in [linears.gate, linears.up] {
                let b = try #require(linear.adapter).b.value
                run.backend.copy(
                    keepingRows(of: b, kept("feed_forward"), on: run.backend), scale: 1, into: b)
            }
        }
        let dense = try zeroed.train(batch, policy: nil)
        #expect(sparse.deviation(from: dense) < 1e-5)
        #expect(try run.train(batch, policy: nil).deviation(from: dense) > 1e-2)
    }

    @Test(arguments: SparseRun.models)
    func `of nothing, or before its first step, is LoRA bit for bit`(name: String) throws {
        let run = try SparseRun(name)
        let dense = try run.train(batch, policy: nil)
        for method in [SparsityPlan.Method.paper, .norm, .random, .oracle, .wanda] {
            var plan = SparsityPlan(method: method, feedForward: [0: 0, 1: 0], attention: [0: 0, 1: 0])
            plan.denseSinkTokens = 1
            let policy = try ScoredSparsity(run.model, plan: plan)
            #expect(try run.train(batch, policy: policy) == dense, "\(method)")
        }
        var plan = run.plan(.norm)
        plan.startStep = ScheduleStep(0.05)
        let policy = try ScoredSparsity(run.model, plan: plan)
        for step in [0, 4] {
            let active = plan.isSparse(step: step, of: 100) ? policy : nil
            #expect(try run.train(batch, policy: active) == dense)
        }
        let active = plan.isSparse(step: 5, of: 100) ? policy : nil
        #expect(try run.train(batch, policy: active).deviation(from: dense) > 1e-2)
    }

    @Test(arguments: SparseRun.models)
    func `maps heads so that every query channel kept meets a key channel kept`(name: String) throws {
        let run = try SparseRun(name)
        let shape = run.model.configuration
        for pairAware in [false, true] {
            var plan = run.plan(.oracle)
            plan.pairAware = pairAware
            let policy = PolicySpy(try ScoredSparsity(run.model, plan: plan))
            _ = try run.train(batch, policy: policy)
            for (from, to) in [("key", "query"), ("value", "output")] {
                let kept = Set(try #require(policy.kept["0.\(from)"]))
                // Attention multiplies query head h with key-value head h / G, channel by channel.
                var met: [Int32] = []
                for head in 0..<shape.headCount {
                    let shared = head / (shape.headCount / shape.keyValueHeadCount)
                    for channel in 0..<shape.headWidth
                    where kept.contains(Int32(shared * shape.headWidth + channel)) {
                        met.append(Int32(head * shape.headWidth + channel))
                    }
                }
                #expect(policy.kept["0.\(to)"] == met)
                guard pairAware, from == "key" else { continue }
                let half = Int32(shape.rotary.width / 2)
                for channel in kept {
                    let isFirst = channel % Int32(shape.headWidth) < half
                    #expect(kept.contains(isFirst ? channel + half : channel - half))
                }
            }
        }
    }

    @Test(arguments: SparseRun.models)
    func `leaves evaluation and generation dense`(name: String) throws {
        let run = try SparseRun(name)
        let sequences = PackedSequences(batch.sequences)
        func evaluated() throws -> (logits: [Float], loss: Double) {
            let tape = Tape(backend: run.backend, isRecording: false)
            let loss = try run.model.loss(sequences, labels: batch.labels, gradientScale: 0, on: tape)
            return (try run.model.logits(sequences), loss.sum)
        }
        func generated() throws -> [Int32] {
            let generator = Generator(run.model, options: GenerationOptions(maximumTokens: 6))
            return try generator.generate([batch.sequences[0]])[0]
        }
        let before = (try evaluated(), try generated())
        let policy = PolicySpy(try ScoredSparsity(run.model, plan: run.plan(.norm)))
        _ = try run.train(batch, policy: policy)
        let asked = policy.questionCount
        #expect(asked > 0)
        let after = (try evaluated(), try generated())
        #expect(policy.questionCount == asked)
        #expect(before.0 == after.0 && before.1 == after.1)
    }

    @Test(arguments: SparseRun.models)
    func `splits every sequence by its own prompt`(name: String) throws {
        let run = try SparseRun(name)
        var plan = run.plan(.norm)
        for sinks in [0, 4] {
            plan.denseSinkTokens = sinks
            let policy = PolicySpy(try ScoredSparsity(run.model, plan: plan))
            let together = try run.train(batch, policy: policy)
            var expected: [Int32] = []
            var start = 0
            for (tokens, prompt) in zip(batch.sequences, batch.prompts) {
                // The prompt's last row predicts the first trained token; the sequence's last row predicts none.
                let rows = Array(0..<prompt - 1) + [tokens.count - 1]
                expected += rows.filter { $0 >= sinks }.map { Int32(start + $0) }
                start += tokens.count
            }
            #expect(policy.contextRows[0] == expected)
            // With sets that do not depend on the batch, a batch is the sum of its sequences.
            let alone = try batch.sequences.indices.map { try run.train(batch.only($0), policy: policy) }
            var sums = alone[0].gradients
            for result in alone.dropFirst() {
                for (name, gradient) in result.gradients {
                    sums[name] = zip(sums[name] ?? [], gradient).map { $0 + $1 }
                }
            }
            let sum = SparseRun.Result(loss: alone.reduce(0) { $0 + $1.loss }, gradients: sums)
            #expect(together.deviation(from: sum) < 1e-5)
        }
    }

    @Test(arguments: [0, 3], [0, 0.3, 0.5, 1])
    func `runs as many rows sparse as the accounting says`(sinks: Int, share: Double) throws {
        let run = try SparseRun("llama")
        for contextTokens in SparsityPlan.ContextTokens.allCases {
            var plan = run.plan(.norm)
            plan.denseSinkTokens = sinks
            plan.sparseOutputShare = share
            plan.contextTokens = contextTokens
            let policy = PolicySpy(try ScoredSparsity(run.model, plan: plan))
            _ = try run.train(batch, policy: policy)
            let rows = StepRows(PackedSequences(batch.sequences), labels: batch.labels)
            #expect(policy.contextRows[0]?.count == rows.sparseCount(under: plan))
            // Of the last block the scored rows alone are computed.
            let outputShare = contextTokens == .all ? 1 : share
            #expect((policy.kept["1.feed_forward"] != nil) == (outputShare > 0))
        }
    }

    @Test(arguments: SparseRun.models)
    func `computes once what sequences share, with the same result`(name: String) throws {
        let run = try SparseRun(name)
        let prompt = Array(batch.sequences[1].prefix(15))
        let examples = SparseRun.Examples(
            sequences: [prompt + batch.sequences[0], prompt + batch.sequences[2], batch.sequences[0]],
            prompts: [24, 18, 9])
        var plan = run.plan(.calibrated, feedForward: 0.5, attention: 0.25)
        plan.rank = 4
        let sample = PackedSequences(examples.sequences).scoring(examples.labels)
        let policy = PolicySpy(
            try CalibratedSparsity(
                run.model, plan: plan,
                recorded: InputRecorder(run.model, sample: [sample], plan: plan, rowLimit: 100)))
        let apart = try run.train(
            examples.sequences, labels: examples.labels, policy: policy, sharesPrefixes: false)
        let rows = StepRows(PackedSequences(examples.sequences), labels: examples.labels)
        #expect(policy.contextRows[0]?.count == rows.unshared.sparseCount(under: plan))
        let together = try run.train(examples, policy: policy)
        #expect(policy.contextRows[0]?.count == rows.sparseCount(under: plan))
        #expect(rows.sharedCounts == [0, 15, 0])
        #expect(together.deviation(from: apart) < 2e-5)
        #expect(try run.train(examples, policy: nil).deviation(from: apart) > 1e-3)
    }

    @Test(arguments: [SparsityPlan.Method.paper, .norm, .random, .oracle, .wanda], [false, true])
    func `always keeps something`(method: SparsityPlan.Method, pairAware: Bool) throws {
        let run = try SparseRun("qwen3")
        var plan = run.plan(method, feedForward: 0.999_999, attention: 0.999_999)
        plan.pairAware = pairAware
        plan.rank = 4
        let policy = PolicySpy(try ScoredSparsity(run.model, plan: plan))
        let result = try run.train(batch, policy: policy)
        let group = run.model.configuration.headCount / run.model.configuration.keyValueHeadCount
        let keys = pairAware ? 2 : 1
        let counts = policy.kept.filter { $0.key.hasPrefix("0.") }.mapValues(\.count)
        #expect(
            counts == [
                "0.feed_forward": 1, "0.key": keys, "0.query": keys * group, "0.value": 1, "0.output": group,
            ])
        #expect(result.loss.isFinite && result.gradients.values.allSatisfy { $0.allSatisfy(\.isFinite) })
    }

    @Test(arguments: SparseRun.models)
    func `with factors of full rank chooses as the oracle does`(name: String) throws {
        let run = try SparseRun(name)
        // The estimator knows the frozen weights alone: an oracle with untrained adapters sees the same.
        for parameter in run.adapters.parameters where parameter.name.contains("lora_B") {
            run.backend.fill(parameter.value, with: 0)
        }
        var plan = run.plan(.paper)
        plan.rank = run.model.configuration.width
        let estimate = PolicySpy(
            try ScoredSparsity(run.model, plan: plan, averagesSequences: false))
        let oracle = PolicySpy(try ScoredSparsity(run.model, plan: run.plan(.oracle)))
        _ = try run.train(batch, policy: estimate)
        _ = try run.train(batch, policy: oracle)
        #expect(estimate.kept.count > 5 && estimate.kept == oracle.kept)
    }

    /// A copy with zeros in all rows but some.
    private func keepingRows(of matrix: Tensor, _ kept: [Int32], on backend: any Backend) -> Tensor {
        let values = backend.download(matrix)
        var result = [Float](repeating: 0, count: values.count)
        for row in kept {
            let range = Int(row) * matrix.width..<(Int(row) + 1) * matrix.width
            result.replaceSubrange(range, with: values[range])
        }
        return backend.upload(result, rowCount: matrix.rowCount, width: matrix.width, type: .float32)
    }
}
