// The losses of a run as points, and what a chart shows of them: buckets, a smoothed line, axis ticks.

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Training and validation losses by step.
package struct LossCurve: Equatable, Sendable {
    package struct Point: Equatable, Sendable {
        package var step: Double
        package var loss: Double

        package init(step: Double, loss: Double) {
            self.step = step
            self.loss = loss
        }
    }

    package private(set) var training: [Point] = []
    package private(set) var validation: [Point] = []

    package init() {}

    package mutating func addStep(_ step: Int, loss: Double) {
        training.append(Point(step: Double(step), loss: loss))
    }

    package mutating func addValidation(step: Int, loss: Double) {
        validation.append(Point(step: Double(step), loss: loss))
    }

    /// An exponential moving average over about a fiftieth of the run, unbiased at its start.
    package var smoothed: [Point] {
        let decay = 1 - 1 / max(3, Double(training.count) / 50)
        var sum = 0.0
        var weight = 0.0
        return training.map { point in
            sum = sum * decay + point.loss
            weight = weight * decay + 1
            return Point(step: point.step, loss: sum / weight)
        }
    }

    /// At most two points for each of `bucketCount` spans: the lowest and the highest, so that spikes stay visible.
    package static func thinned(_ points: [Point], bucketCount: Int) -> [Point] {
        guard points.count > 2 * bucketCount else { return points }
        return (0..<bucketCount).flatMap { bucket in
            let span = points[points.count * bucket / bucketCount..<points.count * (bucket + 1) / bucketCount]
            let extremes = [span.min { $0.loss < $1.loss }, span.max { $0.loss < $1.loss }].compactMap { $0 }
            return extremes.sorted { $0.step < $1.step }
        }
    }
}

/// Round numbers along an axis.
package struct AxisTicks: Equatable, Sendable {
    package let values: [Double]
    /// The distance between two of them: 1, 2 or 5 times a power of ten.
    package let interval: Double

    /// Ticks that span the range: the first at or below it, the last at or above it.
    ///
    /// - Parameter smallestInterval: 1 for an axis of whole numbers.
    package init(covering range: ClosedRange<Double>, about count: Int, smallestInterval: Double = 1e-6) {
        let width = max(range.upperBound - range.lowerBound, smallestInterval)
        let rough = width / Double(max(count, 1))
        let power = pow(10, floor(log10(rough)))
        let factor = [1.0, 2, 5, 10].first { $0 * power >= rough * 0.999 } ?? 10
        let interval = max(factor * power, smallestInterval)
        let first = floor(range.lowerBound / interval)
        let last = max(ceil(range.upperBound / interval), first + 1)
        values = stride(from: first, through: last, by: 1).map { $0 * interval }
        self.interval = interval
    }

    /// The number with as many decimals as the interval needs; thousands as "12k" when all are.
    package func label(_ value: Double) -> String {
        if interval >= 1 {
            let number = Int(value.rounded())
            return interval >= 1000 && number != 0 ? "\(number / 1000)k" : "\(number)"
        }
        let decimals = Int((-log10(interval)).rounded(.up))
        let scale = pow(10, Double(decimals))
        let scaled = Int((abs(value) * scale).rounded())
        let digits = String(scaled % Int(scale))
        let padded = String(repeating: "0", count: max(0, decimals - digits.count)) + digits
        return "\(value < 0 && scaled > 0 ? "-" : "")\(scaled / Int(scale)).\(padded)"
    }
}
