// Plans through files: our own layout, the published ones, bad input.

import ConfigurationFiles
import ContextualSparsity
import FileSupport
import Models
import TestSupport
import Testing

@Suite struct SparsityPlanTests {
    private func plan(_ yaml: String, mode: String? = nil) throws -> SparsityPlan {
        let tree = try ConfigurationFile.yaml(yaml, location: "plan")
        guard let object = tree.objectValue else {
            throw InputError("plan", expected: "keys and values", found: tree.kindName)
        }
        return try SparsityPlan(object, mode: mode, location: "plan")
    }

    private func problem(_ yaml: String, mode: String? = nil) -> String {
        do {
            _ = try plan(yaml, mode: mode)
            return "none"
        } catch {
            return "\(error)"
        }
    }

    @Test func `what is written reads back equal`() throws {
        var random = TestSupport.SeededRandom(seed: 3)
        func unit() -> Double { Double(random.next() >> 11) * 0x1p-53 }
        for _ in 0..<200 {
            var plan = SparsityPlan(
                method: SparsityPlan.Method.allCases.randomElement(using: &random) ?? .norm)
            for layer in 0..<Int(unit() * 40) {
                if unit() < 0.6 { plan.feedForward[layer] = unit() < 0.5 ? 0.9 : max(unit(), 1e-12) }
                if unit() < 0.4 { plan.attention[layer] = unit() < 0.5 ? 0.5 : max(unit(), 1e-12) }
            }
            plan.rank = 1 + Int(unit() * 200)
            plan.startStep = ScheduleStep(unit() < 0.5 ? unit() : unit() * 1e4)
            plan.endStep = ScheduleStep(unit() < 0.5 ? 1 : 1e4)
            plan.contextTokens = unit() < 0.5 ? .all : .labels
            plan.denseSinkTokens = Int(unit() * 9)
            plan.sparseOutputShare = unit() < 0.5 ? 0 : unit()
            plan.feedForwardAdapters = unit() < 0.5 ? .dense : .channelMasked
            plan.pairAware = unit() < 0.5
            if unit() < 0.5 { plan.fingerprint = unit() < 0.5 ? "1234567890123456" : "12e4 \"#\n" }
            if unit() < 0.5 {
                (plan.wordThreshold, plan.wordShare) = (max(unit(), 1e-6) / 2, unit())
                plan.predictedTrainingRise = unit() - 0.5
            }
            plan.gradientShare = unit() < 0.5 ? 1 : max(unit(), 1e-6)
            if unit() < 0.5 { (plan.flopShare, plan.predictedLossRise) = (unit(), unit() - 0.5) }
            #expect(try self.plan(plan.yaml) == plan)
        }
    }

    @Test func `a plan goes through a file`() throws {
        try withTemporaryFolder { folder in
            try SparsityPlan.speedCheck.write(to: "\(folder)/plan.yaml")
            #expect(try SparsityPlan(contentsOf: "\(folder)/plan.yaml") == .speedCheck)
        }
    }

    @Test func `neighbouring layers of one share are written as a range`() {
        let text = SparsityPlan.speedCheck.yaml
        #expect(text.contains("feed_forward:\n  3-28: 0.9\n"))
        #expect(text.contains("attention:\n  10-28: 0.5\n"))
    }

    @Test func `a person may write ranges and lists`() throws {
        let plan = try plan("feed_forward: {\"0-2, 5\": 0.75, 4: 0}\nattention: [0, 0.5]\nstart_step: 20\n")
        #expect(plan.feedForward == [0: 0.75, 1: 0.75, 2: 0.75, 5: 0.75])
        #expect(plan.attention == [1: 0.5])
        #expect(plan.startStep == ScheduleStep(20))
        #expect(plan.method == .calibrated)
    }

    @Test func `damaged files are refused or read but never crash`() {
        let bytes = Array(SparsityPlan.speedCheck.yaml.utf8)
        var random = TestSupport.SeededRandom(seed: 9)
        for _ in 0..<400 {
            var damaged = bytes
            for _ in 0..<1 + random.next() % 4 {
                damaged[Int(random.next() % UInt64(damaged.count))] =
                    UInt8(truncatingIfNeeded: random.next()) & 0x7F
            }
            damaged.removeLast(Int(random.next() % UInt64(damaged.count)))
            if let plan = try? plan(String(decoding: damaged, as: UTF8.self)) {
                #expect(plan.feedForward.values.allSatisfy { $0 > 0 && $0 < 1 })
            }
        }
    }

    @Test func `bad input is named`() {
        let cases = [
            ("feed_forward: {3: 1}", "below 1"), ("feed_forward: {3: -0.1}", "below 1"),
            ("feed_forward: {3: many}", "a string"), ("feed_forward: 0.5", "shares by layer"),
            ("feed_forward: {a: 0.5}", "layers such as"), ("feed_forward: {5-3: 0.5}", "layers such as"),
            ("feed_forward: {0-999999999: 0.5}", "layers below"),
            ("feed_forward: {3-5: 0.5, 4: 0.2}", "layer 4 has a share already"),
            ("feed_foward: {3: 0.5}", "Did you mean \"feed_forward\""), ("rank: 8", "none of feed_forward"),
            ("attention: {1: 0.5}\nmethod: papr", "Did you mean \"paper\""),
            ("attention: {1: 0.5}\nstart_step: -1", "fraction of the steps"),
            ("attention: {1: 0.5}\nrank: 0", "from 1 to 8192"),
        ]
        for (yaml, part) in cases { #expect(problem(yaml).contains(part), "\(problem(yaml))") }
    }

    @Test func `the older published layout is read`() throws {
        let plan = try plan(
            """
            start_step: 0.1
            mode: "svd_16"
            skip_output_tokens: True
            ffn_sparsity: "ffn=0.9x1"
            sparsity:
              layers.0.mlp: 0
              layers.0.self_attn: 0
              layers.7.mlp: 0.9
              layers.7.self_attn: 0.25
            """)
        var expected = SparsityPlan(method: .paper, feedForward: [7: 0.9], attention: [7: 0.25])
        expected.rank = 16
        expected.startStep = ScheduleStep(0.1)
        expected.endStep = ScheduleStep(1)
        #expect(plan == expected)
        #expect(try self.plan("mode: dense\nsparsity: {layers.3.mlp: 0}").isDense)
        #expect(try self.plan("sparsity: {layers.3.mlp: 0.5}").contextTokens == .all)
        #expect(problem("sparsity: {layers.x.mlp: 0.5}").contains("layers.7.mlp"))
        #expect(problem("sparsity: {layers.3.mlp: 0.5}\nmode: oracle").contains("svd_RANK"))
        #expect(problem("sparsity: {layers.3.mlp: 0.5}\nmode: svd_999999999").contains("svd_RANK"))
    }

    @Test func `the newer published layout is read by mode`() throws {
        let text = """
            {"base_model": "some/model", "predictor_rank": 4, "modes": {
            "o1": {"layer_sparsity": {"model.layers.2.mlp": 0.97, "model.layers.2.self_attn": 0}},
            "o2": {"layer_sparsity": {"model.layers.2.mlp": 0.99, "model.layers.2.self_attn": 0.75}}}}
            """
        let plan = try plan(text, mode: "o2")
        #expect(plan.feedForward == [2: 0.99] && plan.attention == [2: 0.75])
        #expect(plan.rank == 4 && plan.method == .paper && plan.contextTokens == .labels)
        #expect(plan.endStep == ScheduleStep(1))
        #expect(problem(text).contains("o1, o2"))
        #expect(problem(text, mode: "o3").contains("o1, o2"))
    }

    @Test func `a plan is checked against the model`() throws {
        var plan = SparsityPlan(feedForward: [1: 0.5])
        plan.fingerprint = "aa"
        try plan.validate(for: .tiny, fingerprint: "aa")
        #expect(throws: InputError.self) { try plan.validate(for: .tiny, fingerprint: "bb") }
        #expect(throws: InputError.self) {
            try SparsityPlan(attention: [2: 0.5]).validate(for: .tiny)
        }
        #expect(throws: InputError.self) {
            try SparsityPlan(attention: [0: .nan]).validate(for: .tiny)
        }
        for threshold in [-0.1, 1, .nan] {
            plan.wordThreshold = threshold
            #expect(throws: InputError.self) { try plan.validate(for: .tiny) }
        }
    }

    @Test func `steps are sparse between start and end`() {
        var plan = SparsityPlan.uniform(feedForward: 0.5, attention: 0, layers: 0..<2)
        plan.startStep = ScheduleStep(0.1)
        plan.endStep = ScheduleStep(15)
        #expect((0..<20).filter { plan.isSparse(step: $0, of: 20) } == Array(2..<15))
        #expect(!SparsityPlan().isSparse(step: 10, of: 20))
    }
}
