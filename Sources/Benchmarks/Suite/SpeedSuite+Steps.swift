// Training steps of random tokens: the first row of the bars, all projections, Gemma, 1.1 billion parameters.

internal import ContextualSparsity
internal import Foundation
internal import Models
internal import TensorEngine

extension SpeedSuite {
    static let halfName = "SparseLoRA bf16, half the operations"
    static let denseName = "SparseLoRA bf16"
    private static let exactName = "SparseLoRA f32"
    private static let checkpointedName = "SparseLoRA bf16, checkpointed"

    func runKernels() {
        var kernels = RunRecord(machine: record.machine, form: "")
        for set in InstructionSet.available where KernelBenchmark.isForUse(set) {
            kernels.add(
                figures: set.run { KernelCases(set, rounds: setting.isQuick ? 3 : 9).figures() })
        }
        note(kernels.figures)
        record(KernelBenchmark.bars(kernels))
    }

    /// The work of the first row of the bars.
    private var stepWork: [String] { ["step", "--model", setting.model] }
    private static let stepScenario =
        "step: SmolLM2-135M, 4x512 tokens, a quarter labelled, rank 32 on q, k, v, o"

    /// The same step beside PEFT in the same type, fast or not: the least that this program must be better by.
    func runStepBesideBF16() throws {
        let standings = try compete(
            "\(Self.stepScenario), beside PEFT bf16",
            [ours(Self.denseName, stepWork), peft(stepWork, dtype: "bfloat16")],
            rounds: setting.isQuick ? 3 : 5)
        guard let dense = standings[Self.denseName] else { return }
        let peer = standings[Self.peftName("bfloat16")]
        bar(
            "dense step beside PEFT bf16", .atLeast, 1.6, peer.map { $0.median / dense.median }, unit: "x",
            peer == nil ? Self.noPeer : "")
        bar(
            "memory of the dense step beside PEFT bf16", .atMost, 0.5,
            peer.map { dense.peakGigabytes / $0.peakGigabytes }, unit: " of PEFT's",
            peer == nil ? Self.noPeer : "")
    }

    /// The two whose ratio is judged by what operations predict.
    private func denseAndHalf(_ work: [String], turns: Int) -> [Contender?] {
        [
            ours(Self.denseName, work, turns: turns),
            ours(Self.halfName, work + ["--sparsity", "0.5"], turns: turns),
        ]
    }

    /// SmolLM2-135M, 4x512 tokens, the last quarter labelled, rank 32 on q, k, v, o.
    func runStep() throws {
        let work = stepWork
        let scenario = Self.stepScenario
        let contenders =
            denseAndHalf(work, turns: setting.isQuick ? 4 : 3) + [
                ours(Self.exactName, work + ["--dtype", "float32"]),
                ours(Self.checkpointedName, work + ["--checkpointing"]), peft(work, dtype: "float32"),
                peft(work, dtype: "bfloat16", rival: setting.isQuick ? Self.peftName("float32") : nil),
            ]
        let standings = try compete(scenario, contenders, rounds: setting.isQuick ? 2 : 5)
        guard let dense = standings[Self.denseName], let half = standings[Self.halfName],
            let exact = standings[Self.exactName], let checkpointed = standings[Self.checkpointedName]
        else { return }
        let single = standings["PEFT f32"]
        let bf16 = standings["PEFT bf16"]
        let (peer, noneNote) = Self.fastest([single, bf16].compactMap(\.self))
        let peerNote = peer.map { peer in
            let other = bf16.map {
                // It is not a number where that one was not even ready.
                $0.name == peer.name || !$0.median.isFinite
                    ? ""
                    : "; \($0.isBound ? "over " : "")\(fixed($0.median / dense.median, 1))x PEFT bf16"
            }
            return "against \(peer.name), its faster type here" + (other ?? "")
        }
        bar(
            "dense step", .atLeast, 2.1, peer.map { $0.median / dense.median }, unit: "x",
            peerNote ?? noneNote)
        bar("dense step, share of the measured peak", .atLeast, 0.65, dense.shareOfPeak, unit: "", "")
        bar(
            "step at half the operations", .atLeast, 3.8, peer.map { $0.median / half.median }, unit: "x",
            peerNote ?? noneNote)
        realisedBar("realised of what half the operations predict", 0.9, half, over: dense)
        bar(
            "f32 step", .atLeast, 1.5, single.map { $0.median / exact.median }, unit: "x",
            single.map { "against PEFT f32\(Self.boundNote($0))" } ?? Self.noPeer)
        bar(
            "memory of the dense step", .atMost, 1.3, dense.peakGigabytes, unit: " GB",
            peer.map { "\($0.name) \(fixed($0.peakGigabytes, 1)) GB" } ?? "")
        let slowdown = checkpointed.median / dense.median
        bar(
            "memory with activation checkpointing", .atMost, 0.8, checkpointed.peakGigabytes, unit: " GB",
            slowdown.isFinite ? "takes \(fixed(slowdown, 2)) times as long" : Self.unfinished)
    }

    /// All that is judged about sparse steps without PEFT beside them.
    func runSparsity() throws {
        try runCheckedPlan()
        billionRealised(try billionSteps("sparse steps alone: ", besidePEFT: false))
        try runPredictors()
    }

    /// The paper's predictors, which a model needs once: all layers, whatever the form.
    private func runPredictors() throws {
        let model = try CausalLM(
            ModelSource(path: try RandomLlama(layerCount: 22).folder(in: setting.work)),
            computeType: .bfloat16, backend: CPUBackend())
        let rank = 8  // The paper's.
        let seconds = Measurement.seconds { _ = SparsityPredictors(of: model, rank: rank) }
        bar(
            "predictors of a 1.1 B Llama", .atMost, 60, seconds, unit: " s",
            "five decompositions of rank \(rank) in each of 22 layers; kept beside the model's fingerprint")
    }

    /// A plan that leaves out more, on steps that consist of prompts.
    private func runCheckedPlan() throws {
        let work = ["step", "--model", setting.model, "--batch", "8", "--labelled-fraction", "0.125"]
        let sparseName = "SparseLoRA bf16, the checked plan"
        let contenders = [
            ours(Self.denseName, work), ours(sparseName, work + ["--sparsity", StepBenchmark.checkedPlan]),
        ]
        let standings = try compete(
            "8x512 tokens, an eighth labelled", contenders, rounds: setting.isQuick ? 4 : 7)
        guard let dense = standings[Self.denseName], let sparse = standings[sparseName] else { return }
        realisedBar(
            "realised of what the checked plan predicts", 0.9, sparse, over: dense,
            note: ": nine tenths of the feed-forward channels and half of attention left out")
        bar(
            "operations of the checked plan that estimate", .atMost, 0.015,
            sparse.estimatorGigaflop / sparse.gigaflop, unit: "",
            "counted: what left-out channels would have added; none chooses channels, which is done once")
    }

    func runProjections() throws {
        // Half the sequences give the same ratio in half the time.
        let batch = setting.isQuick ? 2 : 4
        let work = [
            "step", "--model", setting.model, "--batch", "\(batch)", "--targets",
            TimedStep.allLinear.joined(separator: ","),
        ]
        let standings = try compete(
            "all seven projections adapted, \(batch)x512 tokens",
            [ours(Self.denseName, work), peft(work, dtype: peftType)], rounds: setting.isQuick ? 2 : 5)
        guard let dense = standings[Self.denseName] else { return }
        let peer = standings[Self.peftName(peftType)]
        bar(
            "all seven projections adapted", .atLeast, 2.1, peer.map { $0.median / dense.median }, unit: "x",
            "\(note(peer)); \(batch)x512 tokens")
    }

    func runGemma() throws {
        guard let gemma = setting.gemma else {
            bar("Gemma 3 270M step", .atLeast, 3, nil, unit: "x", "no --gemma file was given")
            bar(
                "memory of the Gemma 3 step", .atMost, 0.25, nil, unit: " of PEFT's",
                "no --gemma file was given")
            return
        }
        let batch = setting.isQuick ? 2 : 4
        let work = ["step", "--model", gemma, "--batch", "\(batch)"]
        let standings = try compete(
            "Gemma 3 270M, 262,144 words, \(batch)x512 tokens, a quarter labelled",
            [ours(Self.denseName, work), peft(work, dtype: peftType)], rounds: setting.isQuick ? 2 : 5)
        guard let dense = standings[Self.denseName] else { return }
        let peer = standings[Self.peftName(peftType)]
        let note = "\(self.note(peer)); \(batch)x512 tokens"
        bar("Gemma 3 270M step", .atLeast, 3, peer.map { $0.median / dense.median }, unit: "x", note)
        bar(
            "memory of the Gemma 3 step", .atMost, 0.25,
            peer.map { dense.peakGigabytes / $0.peakGigabytes }, unit: " of PEFT's", note)
    }

    func runBillion() throws {
        let standings = try billionSteps(besidePEFT: true)
        guard let dense = standings[Self.denseName] else { return }
        let peer = standings[Self.peftName(peftType)]
        bar(
            "1.1 B Llama", .atLeast, 1.5, peer.map { $0.median / dense.median }, unit: "x",
            [note(peer), billionPart].filter { !$0.isEmpty }.joined(separator: "; "))
        bar(
            "1.1 B Llama, share of the measured peak", .atLeast, 0.72, dense.shareOfPeak, unit: "",
            billionPart)
        billionRealised(standings)
    }

    private var billionLayers: Int { setting.isQuick ? 6 : 22 }

    /// What bars say where not all layers are there.
    private var billionPart: String { billionLayers == 22 ? "" : "\(billionLayers) of 22 layers" }

    /// The shape of TinyLlama with random weights, fewer layers in the quick form: dense steps and those at half the
    /// operations in turns.
    ///
    /// - Parameter prefix: of the case's name.
    private func billionSteps(_ prefix: String = "", besidePEFT: Bool) throws -> [String: Standing] {
        let layers = billionLayers
        let folder = try RandomLlama(layerCount: layers).folder(in: setting.work)
        let work = ["step", "--model", folder, "--batch", "1", "--length", "1024"]
        var contenders = denseAndHalf(work, turns: setting.isQuick ? 4 : 3)
        if besidePEFT { contenders.append(peft(work, dtype: peftType)) }
        let title = layers == 22 ? "1.1 B Llama" : "\(layers) of the 22 layers of a 1.1 B Llama"
        return try compete(
            "\(prefix)\(title), random weights, 1x1024 tokens", contenders,
            rounds: setting.isQuick ? 1 : 3)
    }

    private func billionRealised(_ standings: [String: Standing]) {
        guard let dense = standings[Self.denseName], let half = standings[Self.halfName] else { return }
        realisedBar(
            "1.1 B Llama, realised of what half the operations predict", 0.95, half, over: dense,
            note: billionPart.isEmpty ? "" : "; \(billionPart)")
    }

    /// Tokens a second as steps grow from 4x512 tokens either way, attention's own time taken out. The quick form takes the
    /// ends alone.
    func runGrowth() throws {
        let work = ["step", "--model", setting.model, "--profile"]
        func contest(_ shapes: [(batch: Int, length: Int)], _ title: String, _ name: String) throws {
            let most = shapes.map { $0.batch * $0.length }.max() ?? 0
            let contenders = shapes.map { batch, length in
                // Small steps take several a turn, so that no moment judges them: as many tokens as large ones, or a
                // quarter.
                let steps = most / (batch * length) / (setting.isQuick ? 4 : 1)
                return ours(
                    "\(batch)x\(length)",
                    work + [
                        "--batch", "\(batch)", "--length", "\(length)", "--steps-per-turn",
                        "\(max(1, steps))",
                    ])
            }
            let standings = try compete(title, contenders, rounds: setting.isQuick ? 3 : 5)
            // By shape and round.
            var rates: [[Double]] = []
            for (shape, contender) in zip(shapes, contenders) {
                guard let standing = standings[contender.name] else { continue }
                let tokens = Double(shape.batch * shape.length)
                rates.append(zip(standing.seconds, standing.attentionSeconds).map { tokens / ($0 - $1) })
                note(
                    title, contender.name, "tokens/s without attention",
                    Measurement.median(rates[rates.count - 1]))
            }
            let ratios = rates.flatMap { slower in
                rates.map { faster in Measurement.median(zip(slower, faster).map { $0 / $1 }) }
            }
            // A shape without a timed step leaves the slowest unknown.
            let least = ratios.allSatisfy { $0.isFinite } ? ratios.min() : Double.nan
            bar(
                name, .atLeast, 0.9, least, unit: "",
                "slowest by fastest of \(contenders.map(\.name).joined(separator: ", ")), attention aside")
        }
        let counts = setting.isQuick ? [1, 16] : [1, 2, 4, 8, 16]
        try contest(
            counts.map { ($0, 512) }, "growth: 1 to 16 sequences of 512 tokens", "growth in sequences")
        let lengths = setting.isQuick ? [128, 2048] : [128, 256, 512, 1024, 2048]
        try contest(
            lengths.map { (4, $0) }, "growth: 4 sequences of 128 to 2,048 tokens", "growth in length")
    }
}
