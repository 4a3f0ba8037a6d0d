// The order in which examples are trained: shuffled, bucketed by length, and resumable at any batch.

package import FileSupport

/// How examples are put together.
package struct BatchOptions: Equatable, Sendable {
    /// Most sequences in a batch.
    package var sequences: Int
    /// Most tokens in a batch; an example that is longer makes a batch alone. nil sets no bound.
    package var tokens: Int?
    /// Decides the order of every epoch.
    package var seed: UInt64
    /// False takes the examples in the order of the file, for evaluation.
    package var shuffles = true

    package init(sequences: Int, tokens: Int? = nil, seed: UInt64 = 0, shuffles: Bool = true) {
        self.sequences = sequences
        self.tokens = tokens
        self.seed = seed
        self.shuffles = shuffles
    }
}

extension TrainingConfiguration {
    /// How the run's examples are put together.
    package var batchOptions: BatchOptions { BatchOptions(sequences: batchSize, seed: seed) }
}

/// An endless sequence of batches, epoch after epoch, each epoch seeing every example once.
///
/// Examples are shuffled, then sorted by length within windows of many batches, so that a batch's sequences are of
/// like length and no batch waits for one long sequence; then the batches are shuffled. The order is a function of the
/// seed and the epoch alone.
package struct BatchStream: Sendable {
    /// A place in the stream, to be stored in checkpoints.
    package struct Cursor: Codable, Equatable, Sendable {
        package var seed: UInt64
        /// The pass over the data, from 0.
        package var epoch: Int
        /// Batches of this epoch that are already taken.
        package var position: Int
        /// Tells data and batch options apart: a cursor means nothing for others.
        package var fingerprint: UInt64
    }

    /// Batches that are sorted together.
    private static let batchesPerWindow = 32

    private let examples: [TokenizedExample]
    private let options: BatchOptions
    private let fingerprint: UInt64
    private var epoch = 0
    private var position = 0
    private var plan: [[Int]]

    /// A stream from the beginning. There must be at least one example.
    package init(_ examples: [TokenizedExample], options: BatchOptions) {
        precondition(!examples.isEmpty, "BatchStream: no examples")
        precondition(
            options.sequences > 0 && options.tokens ?? 1 > 0,
            "BatchStream: batches of \(options.sequences) sequences, \(options.tokens ?? 0) tokens")
        self.examples = examples
        self.options = options
        fingerprint = Self.fingerprint(examples, options)
        plan = Self.plan(examples, options, epoch: 0)
    }

    /// A stream that goes on where another stood.
    /// - Throws: `InputError` when the cursor was taken from other data or other batch options.
    package init(
        _ examples: [TokenizedExample], options: BatchOptions, resumingAt cursor: Cursor, location: String
    ) throws(InputError) {
        self.init(examples, options: options)
        guard cursor.seed == options.seed, cursor.fingerprint == fingerprint else {
            throw InputError(
                location,
                "the run was started with other data, batch size or seed, so it cannot go on with these",
                advice: "Resume with the data and options of the run, or start a new one")
        }
        guard cursor.epoch >= 0, cursor.position >= 0 else {
            throw InputError(
                location, "the place in the data is negative", advice: "The checkpoint is damaged")
        }
        epoch = cursor.epoch
        plan = Self.plan(examples, options, epoch: epoch)
        position = cursor.position
        guard position <= plan.count else {
            throw InputError(
                location, "the place in the data is batch \(position) of \(plan.count)",
                advice: "The checkpoint is damaged")
        }
    }

    /// Where the stream stands.
    package var cursor: Cursor {
        Cursor(seed: options.seed, epoch: epoch, position: position, fingerprint: fingerprint)
    }

    /// Batches in an epoch. With a bound on tokens this may differ a little between epochs.
    package func batchCount(epoch: Int) -> Int {
        epoch == self.epoch ? plan.count : Self.plan(examples, options, epoch: epoch).count
    }

    /// The next batch; after the last of an epoch, the first of the next.
    package mutating func next() -> Batch {
        if position == plan.count {
            epoch += 1
            position = 0
            plan = Self.plan(examples, options, epoch: epoch)
        }
        defer { position += 1 }
        return Batch(examples, indices: plan[position], epoch: epoch)
    }

    /// The examples of every batch of an epoch.
    private static func plan(
        _ examples: [TokenizedExample], _ options: BatchOptions, epoch: Int
    ) -> [[Int]] {
        guard options.shuffles else { return batches(Array(examples.indices), examples, options) }
        var random = SeededGenerator(seed: options.seed, stream: UInt64(epoch))
        let order = random.shuffled(Array(examples.indices))
        let (window, overflow) = options.sequences.multipliedReportingOverflow(by: batchesPerWindow)
        var plan: [[Int]] = []
        var start = 0
        while start < order.count {
            let end = overflow || order.count - start <= window ? order.count : start + window
            // Ties are broken by the shuffled place, because the standard library's sort need not be stable.
            let sorted = (start..<end).sorted {
                (examples[order[$0]].count, $0) < (examples[order[$1]].count, $1)
            }
            plan += batches(sorted.map { order[$0] }, examples, options)
            start = end
        }
        return random.shuffled(plan)
    }

    /// Cuts an order of examples into batches within the bounds.
    private static func batches(
        _ order: [Int], _ examples: [TokenizedExample], _ options: BatchOptions
    ) -> [[Int]] {
        var batches: [[Int]] = []
        var tokens = 0
        for index in order {
            let count = examples[index].count
            let fits = options.tokens.map { tokens + count <= $0 } ?? true
            if let last = batches.last, last.count < options.sequences, fits {
                batches[batches.count - 1].append(index)
                tokens += count
            } else {
                batches.append([index])
                tokens = count
            }
        }
        return batches
    }

    /// FNV-1a over the tokens, the labels and the options.
    private static func fingerprint(_ examples: [TokenizedExample], _ options: BatchOptions) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        func mix(_ value: UInt64) { hash = (hash ^ value) &* 0x100_0000_01B3 }
        mix(UInt64(options.sequences))
        mix(UInt64(options.tokens ?? 0))
        mix(options.shuffles ? 1 : 0)
        mix(UInt64(examples.count))
        for example in examples {
            mix(UInt64(example.count))
            for (token, isLabelled) in zip(example.tokens, example.isLabelled) {
                mix(UInt64(UInt32(bitPattern: token)) << 1 | (isLabelled ? 1 : 0))
            }
        }
        return hash
    }
}
