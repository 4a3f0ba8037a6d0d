// Sparse training of tiny models of every family against the same method in PyTorch: channels, loss, gradients.

import ContextualSparsity
import FileSupport
import Foundation
import Models
import TensorEngine
import TestSupport
import Testing

@Suite struct `Contextual sparsity agrees with PyTorch` {
    static let cases = [
        "llama", "llama-bias", "llama-bias-dense-adapters", "llama-head-width", "mistral", "qwen2",
        "qwen2-windows", "qwen3", "qwen3-bias-windows", "gemma", "gemma2", "gemma3", "gemma3-older-config",
        "phi3", "phi3-longrope", "smollm3", "smollm3-windows", "olmo2", "olmo3", "granite",
        "llama-gradients", "qwen2-gradients", "gemma3-gradients", "phi3-gradients", "olmo2-gradients",
        "olmo3-words", "gemma3-words",
    ]

    /// f32 in another order: 1e-5 in practice.
    private static let tolerance = 1e-4

    @Test(arguments: cases)
    func `in the channels chosen, the loss and every adapter's gradients`(name: String) throws {
        let golden = GoldenFolder("sparse/\(name)")
        let expected = try golden.tensors()
        let entry = try #require(
            try JSONParser.parse(fileAt: GoldenFolder("sparse").file("manifest.json"))["cases"]?[name])
        let run = try SparseRun(
            model: #require(entry["model"]?.stringValue), adapter: #require(entry["adapter"]?.stringValue))
        let plan = try SparsityPlan(contentsOf: golden.file("plan.yaml"))
        let predictors = try PredictorFiles.read(
            golden.file("predictors"), for: run.model.configuration)
        let policy = PolicySpy(try ScoredSparsity(run.model, plan: plan, predictors: predictors))
        let batch = try LabelledBatch(expected, count: 3)
        let result = try run.train(batch.sequences, labels: batch.labels, policy: policy)

        let sets = expected.names.filter { $0.hasPrefix("kept.") }
        #expect(sets.isEmpty == (plan.feedForward.isEmpty && plan.attention.isEmpty))
        #expect(policy.kept.count == sets.count)
        for set in sets {
            #expect(policy.kept[String(set.dropFirst(5))] == (try expected.integers(set)), "\(set)")
        }
        var gradients: [String: [Float]] = [:]
        for tensor in expected.names where tensor.hasPrefix("gradient.") {
            gradients[String(tensor.dropFirst(9))] = try expected.floats(tensor)
        }
        let reference = SparseRun.Result(loss: Double(try expected.floats("loss")[0]), gradients: gradients)
        let deviation = result.deviation(from: reference)
        #expect(deviation > 0 && deviation < Self.tolerance)
        // `make check-sparsity` says how far off the worst is.
        if let folder = ProcessInfo.processInfo.environment["SPARSELORA_REPORT_FOLDER"] {
            try AtomicFile.write(to: "\(folder)/\(name)", text: "\(deviation)\n")
        }
        // The golden would prove little if sparsity changed little.
        let dense = try run.train(batch.sequences, labels: batch.labels, policy: nil)
        #expect(dense.deviation(from: reference) > 100 * Self.tolerance)
    }
}
