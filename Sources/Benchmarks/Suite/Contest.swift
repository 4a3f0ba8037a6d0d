// Programs that take the same steps in turns, and what came of it.

internal import FileSupport
internal import Foundation

/// A program and how it is called.
struct Contender {
    let name: String
    let command: [String]
    /// Seconds for one step, after which it is ended and counted as if it just had finished.
    var limit: Double
    /// A contender that goes before it. Ended in the same way at twice that one's last step: enough to know which of two
    /// is the faster.
    var rival: String?
    /// Steps in a timed round. Where a ratio of two is judged closely, both take several, in turns.
    var turns = 1
}

/// What one contender did.
struct Standing {
    let name: String
    var seconds: [Double] = []
    /// Measured beside each step, GFLOP/s.
    var peaks: [Double] = []
    var attentionSeconds: [Double] = []
    /// Whether it was ended: `seconds` is then a bound in its favour, and has nothing where it never was ready.
    var isBound = false
    /// 0 where nothing was seen of it.
    var peakBytes = 0
    var ready = JSONValue.null
    /// Answers to the timed steps.
    var answers: [JSONValue] = []

    // What was not measured is not a number in the following, so that no bar is met by it.

    /// Of a step.
    var median: Double { Measurement.median(seconds) }
    var total: Double { seconds.isEmpty ? .nan : seconds.reduce(0, +) }
    var gigaflop: Double { ready["gigaflop"]?.doubleValue ?? 0 }
    var denseGigaflop: Double { ready["dense_gigaflop"]?.doubleValue ?? 0 }
    var estimatorGigaflop: Double { ready["estimator_gigaflop"]?.doubleValue ?? 0 }
    var peakGigabytes: Double { peakBytes == 0 ? .nan : Double(peakBytes) / 1e9 }

    /// The operations that a step needs, by its time, by the highest arithmetic peak measured beside the steps: a short
    /// reading may be disturbed, and a low peak would flatter the step.
    var shareOfPeak: Double { gigaflop / median / (peaks.max() ?? .nan) }
}

struct Contest {
    let workFolder: String
    /// Seconds in which a contender must be ready.
    var readyLimit = 300.0
    /// Told what happens, for whoever waits.
    let log: (String) -> Void

    /// Every contender takes `warmup` steps that do not count and its turns of `rounds` rounds, alternating.
    func run(_ contenders: [Contender], warmup: Int, rounds: Int) throws -> [Standing] {
        var standings = contenders.map { Standing(name: $0.name) }
        var workers: [Worker?] = []
        for (number, contender) in contenders.enumerated() {
            let worker = try Worker(contender.name, command: contender.command, workFolder: workFolder)
            let isReady = try worker.becomesReady(within: readyLimit)
            standings[number].ready = worker.ready
            standings[number].isBound = !isReady
            if !isReady { log("  \(worker.name): not ready after \(fixed(readyLimit, 0)) s") }
            workers.append(isReady ? worker : nil)
        }
        var lastSeconds: [String: Double] = [:]
        let turns = contenders.map(\.turns).max() ?? 1
        let warmups = (0..<warmup).map { (number: $0, isTimed: false, turn: 0) }
        let timed = (0..<rounds * turns).map { (number: $0 / turns, isTimed: true, turn: $0 % turns) }
        for round in warmups + timed {
            for (number, worker) in workers.enumerated() where round.turn < contenders[number].turns {
                guard let worker else { continue }
                let rivalSeconds = contenders[number].rival.flatMap { lastSeconds[$0] }
                let limit = min(contenders[number].limit, rivalSeconds.map { 2 * $0 } ?? .infinity)
                guard let answer = try worker.step(within: limit) else {
                    log("  \(worker.name): stopped after \(fixed(limit, 0)) s")
                    standings[number].isBound = true
                    standings[number].seconds.append(limit)
                    standings[number].peakBytes = worker.peakBytes
                    workers[number] = nil
                    continue
                }
                let seconds = answer["seconds"]?.doubleValue ?? .nan
                lastSeconds[worker.name] = seconds
                log(
                    "  \(worker.name), \(round.isTimed ? "round \(round.number + 1)" : "warm-up"): "
                        + "\(fixed(seconds, 3)) s")
                guard round.isTimed else { continue }
                standings[number].answers.append(answer)
                standings[number].seconds.append(seconds)
                if let peak = answer["peak_gigaflops"]?.doubleValue { standings[number].peaks.append(peak) }
                if let attention = answer["attention_seconds"]?.doubleValue {
                    standings[number].attentionSeconds.append(attention)
                }
            }
        }
        for (number, worker) in workers.enumerated() {
            guard let worker else { continue }
            worker.finish()
            standings[number].peakBytes = worker.peakBytes
        }
        return standings
    }
}
