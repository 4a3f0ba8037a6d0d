// How batches become steps: steps of an epoch, micro-batches of a step, seeds of dropout masks.

/// Takes the micro-batches of one step after another from a stream.
struct StepPlan {
    private(set) var stream: BatchStream
    let accumulation: Int
    let stepsPerEpoch: Int
    let totalSteps: Int
    private let seed: UInt64

    init(_ stream: BatchStream, configuration: TrainingConfiguration) {
        self.stream = stream
        accumulation = configuration.gradientAccumulation
        seed = configuration.seed
        let batches = stream.batchCount(epoch: stream.cursor.epoch)
        stepsPerEpoch = (batches + accumulation - 1) / accumulation
        let byEpochs = (configuration.epochs * Double(stepsPerEpoch)).rounded(.up)
        totalSteps = configuration.steps ?? Int(min(byEpochs, 1e12))
    }

    /// The batches of the next step. A step ends where an epoch ends, so that every epoch trains each example once.
    mutating func next() -> [Batch] {
        var batches = [stream.next()]
        while batches.count < accumulation, !isAtEpochEnd { batches.append(stream.next()) }
        return batches
    }

    var isAtEpochEnd: Bool { stream.cursor.position == stream.batchCount(epoch: stream.cursor.epoch) }

    /// Passes over the data so far, as a fraction.
    var epochs: Double {
        let cursor = stream.cursor
        return Double(cursor.epoch) + Double(cursor.position) / Double(stream.batchCount(epoch: cursor.epoch))
    }

    /// The seed of a pass's dropout masks: a function of where it stands, so that resuming needs no generator's state.
    func dropoutSeed(step: Int, batch: Int) -> UInt64 {
        var generator = SeededGenerator(seed: seed, stream: UInt64(step) << 24 | UInt64(batch))
        return generator.next()
    }
}
