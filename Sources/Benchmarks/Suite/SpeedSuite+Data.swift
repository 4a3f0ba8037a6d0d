// Real data beside PEFT, and generation against the machine's ceilings.

internal import FileSupport
internal import Foundation

extension SpeedSuite {
    /// Batches of 16 sequences of mixed lengths, prompts masked; PEFT pads them to the longest.
    func runRealData(_ name: String, share: Double, sparsity: Double?, goal: Double) throws {
        let title = "\(name), batch 16, \(sparsity == nil ? "dense" : "half the operations")"
        guard let data = setting.data else {
            bar(title, .atLeast, goal, nil, unit: "x", "no --data folder was given")
            return
        }
        let limit = setting.epochBatchLimit
        let batches = try RealBatches.write(
            of: "\(data)/\(name)/train.jsonl", model: setting.model, batchSize: 16, share: share,
            limit: limit == 0 ? nil : limit, to: "\(setting.work)/\(name).jsonl")
        let work = ["step", "--model", setting.model, "--batches", batches.path]
        let oursName = sparsity == nil ? Self.denseName : Self.halfName
        let contenders = [
            ours(oursName, work + (sparsity.map { ["--sparsity", "\($0)"] } ?? [])),
            peft(work, dtype: peftType),
        ]
        let part = "\(batches.count) of \(batches.epochCount) batches"
        let scenario = "\(title), \(part), \(batches.tokens) tokens"
        let standings = try compete(
            scenario, contenders, rounds: batches.count, tokens: batches.tokens)
        guard let own = standings[oursName] else { return }
        let peer = standings[Self.peftName(peftType)]
        if let peer, let tokens = peer.ready["tokens"]?.doubleValue,
            let computed = peer.ready["computed_tokens"]?.doubleValue
        {
            note(scenario, peer.name, "padding", 1 - tokens / computed)
        }
        bar(
            title, .atLeast, goal, peer.map { $0.total / own.total }, unit: "x",
            "\(note(peer)); \(part)")
    }

    func runGeneration() throws {
        let standings = try hold(
            [ours(Self.denseName, ["decode", "--model", setting.model])], rounds: setting.isQuick ? 7 : 15)
        guard let answers = standings.first?.answers else { return }
        func median(_ value: (JSONValue) -> Double) -> Double { Measurement.median(answers.map(value)) }
        func number(_ answer: JSONValue, _ key: String) -> Double { answer[key]?.doubleValue ?? .nan }
        let scenario = "generation: SmolLM2-135M, one sequence, 512 tokens of prompt"
        note(scenario, "decoding", "tokens/s", median { 1 / number($0, "seconds_per_token") })
        note(scenario, "decoding", "GB/s", median { number($0, "bandwidth") / 1e9 })
        note(scenario, "a copy", "GB/s", median { number($0, "copy") / 1e9 })
        note(scenario, "prompt", "tokens/s", median { 512 / number($0, "prompt_seconds") })
        note(scenario, "prompt", "GFLOP/s", median { number($0, "prompt_rate") / 1e9 })
        note(scenario, "its products alone", "GFLOP/s", median { number($0, "product_rate") / 1e9 })
        bar(
            "decoding one sequence, share of memory bandwidth", .atLeast, 0.8,
            median { number($0, "bandwidth") / number($0, "copy") }, unit: "", "against a copy")
        bar(
            "prompt processing, share of its products' rate", .atLeast, 0.9,
            median { number($0, "prompt_rate") / number($0, "product_rate") }, unit: "",
            "attention and the rest included")
    }
}
