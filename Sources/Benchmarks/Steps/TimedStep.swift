// A model that takes training steps: adapters on some projections, and the optimizer's state.

internal import ArgumentParser
internal import ContextualSparsity
internal import Models
internal import TensorEngine

final class TimedStep {
    let model: CausalLM
    /// What rows without a label compute; nil for everything.
    var policy: (any SparsityPolicy)?
    private let backend: any Backend
    private let profile: OperationProfile?
    private let checkpointing: Bool
    private var parameters: [(parameter: Parameter, first: Tensor, second: Tensor)] = []
    private var count = 0

    static let allLinear = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

    /// - Parameter profiles: whether operations are counted, in `profile(trace:)`.
    init(_ work: StepWork, profiler: ProfilingBackend? = nil) throws {
        backend = profiler ?? CPUBackend()
        profile = profiler?.profile
        checkpointing = work.checkpointing
        model = try CausalLM(
            ModelSource(path: work.model), computeType: work.elementType, backend: backend)
        let targets =
            work.targets == "all-linear"
            ? Self.allLinear : work.targets.split(separator: ",").map(String.init)
        var random = SystemRandomNumberGenerator()
        for linear in model.linears where targets.contains(where: { linear.name.hasSuffix(".\($0)") }) {
            let bound = 1 / Float(linear.inputWidth).squareRoot()
            let values = (0..<work.rank * linear.inputWidth).map { _ in
                Float.random(in: -bound...bound, using: &random)
            }
            let a = Parameter(
                name: "\(linear.name).lora_A",
                value: backend.upload(values, rowCount: work.rank, width: linear.inputWidth, type: .float32))
            let b = Parameter(name: "\(linear.name).lora_B", value: zeros(linear.outputWidth, work.rank))
            linear.adapter = LowRankPair(a: a, b: b, scale: 2)
            for parameter in [a, b] {
                let (rows, width) = (parameter.value.rowCount, parameter.value.width)
                parameters.append((parameter, zeros(rows, width), zeros(rows, width)))
            }
        }
        guard !parameters.isEmpty else {
            throw ValidationError("no projection is named \(targets.joined(separator: ", "))")
        }
        if let profiler { model.nameWeights(in: profiler) }
    }

    private func zeros(_ rows: Int, _ width: Int) -> Tensor {
        let tensor = backend.makeTensor(rowCount: rows, width: width, type: .float32)
        backend.fill(tensor, with: 0)
        return tensor
    }

    /// Fits a plan on the context rows of some batches; steps follow it from now on.
    func follow(_ plan: SparsityPlan, fittedOn batches: [LabelledSequences]) throws {
        let sample = batches.map { $0.sequences.scoring($0.labels) }
        let recorded = try InputRecorder(model, sample: sample, plan: plan, rowLimit: 2048)
        policy = try CalibratedSparsity(model, plan: plan, recorded: recorded)
    }

    /// One step; returns the mean loss before its update.
    func run(_ batch: LabelledSequences) throws -> Double {
        profile?.beginStep("step \(count + 1)")
        defer { profile?.endStep() }
        let tape = Tape(backend: backend)
        let result = try model.loss(
            batch.sequences, labels: batch.labels, gradientScale: 1 / Float(batch.labelledCount), on: tape,
            policy: policy, checkpointing: checkpointing)
        profile?.begin(.backward)
        tape.backward()
        profile?.begin(.update)
        count += 1
        for entry in parameters {
            guard let gradient = entry.parameter.gradient else { continue }
            backend.adamW(
                parameter: entry.parameter.value, gradient: gradient, firstMoment: entry.first,
                secondMoment: entry.second, settings: AdamWSettings(learningRate: 3e-4, step: count))
            entry.parameter.clearGradient()
        }
        return result.sum / Double(result.count)
    }

    /// What the batches' steps cost, added up.
    ///
    /// - Parameter sharesPrefixes: false counts what sequences have in common for each of them, as plain LoRA computes it.
    func cost(
        of batches: [LabelledSequences], plan: SparsityPlan? = nil, sharesPrefixes: Bool = true
    ) -> StepCost {
        let ranks = AdapterRanks(model)
        return batches.reduce(StepCost()) { sum, batch in
            let rows = StepRows(batch.sequences, labels: batch.labels)
            return sum
                + StepCost(
                    model.configuration, adapters: ranks, rows: sharesPrefixes ? rows : rows.unshared,
                    plan: plan)
        }
    }
}
