// Matrix products of the shapes that real models have, dense and with half the rows gathered.

internal import ArgumentParser
internal import CKernels
internal import Foundation
internal import TensorEngine

struct GemmBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gemm",
        abstract: "Matrix products of real shapes as a share of the measured peak.",
        discussion: """
            Every round measures the arithmetic peak, the dense product and the product with half of the weight's \
            rows gathered, one after the other; shares are medians over rounds. With --check the exit code is 1 when \
            a dense share is below 370/465 or a gathered product is more than 5% below the dense bar.
            """)

    @Flag(help: "Fail when a bar is missed.") var check = false
    @Flag(help: "Print one JSON object per shape instead of the table.") var json = false
    @Option(help: "Rounds per shape.") var rounds = 9
    @Option(help: "Element type: bfloat16 or float32.") var type = "bfloat16"

    /// What a dense product must reach: 370 of 465 GFLOP/s where the bar was set, the same share elsewhere.
    static let denseBar = 370.0 / 465.0
    static let gatheredBar = 0.95 * denseBar

    private struct Shape {
        let rows: Int
        let columns: Int
        let depth: Int
    }

    private static let shapes: [Shape] =
        [1024, 2048].flatMap { rows in
            [(576, 576), (1536, 576), (576, 1536), (2048, 2048), (5632, 2048)].map {
                Shape(rows: rows, columns: $0.0, depth: $0.1)
            }
        } + [Shape(rows: 1024, columns: 49152, depth: 576)]

    func validate() throws {
        guard ElementType(rawValue: type) != nil, type != "int32" else {
            throw ValidationError("--type is bfloat16 or float32, not \(type)")
        }
        guard rounds > 0 else { throw ValidationError("--rounds must be at least 1") }
    }

    func run() throws {
        guard let elementType = ElementType(rawValue: type) else { return }
        if !json {
            print(MachineDescription.current().line)
            print("T x out x in            peak   dense  share  gathered  share  gathered/dense")
        }
        var worstDense = Double.infinity
        var worstGathered = Double.infinity
        for shape in Self.shapes {
            let result = measure(shape, type: elementType)
            worstDense = min(worstDense, result.denseShare)
            worstGathered = min(worstGathered, result.gatheredShare)
            report(shape, result)
        }
        let met = worstDense >= Self.denseBar && worstGathered >= Self.gatheredBar
        print(
            "check-gemm: lowest dense share of peak \(fixed(worstDense, 3)) (bar \(fixed(Self.denseBar, 3))), "
                + "gathered \(fixed(worstGathered, 3)) (bar \(fixed(Self.gatheredBar, 3))): "
                + (met ? "met" : "missed"))
        if check && !met { throw ExitCode.failure }
    }

    private struct Result {
        var peak = 0.0
        var dense = 0.0
        var gathered = 0.0
        var denseShare = 0.0
        var gatheredShare = 0.0
    }

    private func measure(_ shape: Shape, type: ElementType) -> Result {
        let backend = CPUBackend()
        let x = backend.makeTensor(rowCount: shape.rows, width: shape.depth, type: type)
        let weight = backend.makeTensor(rowCount: shape.columns, width: shape.depth, type: type)
        backend.fill(x, with: 0.5)
        backend.fill(weight, with: 0.25)
        // Every second row, as a selection of half the channels would be spread.
        let half = backend.upload((0..<Int32(shape.columns / 2)).map { 2 * $0 + ($0 % 2) })
        let full = backend.makeTensor(rowCount: shape.rows, width: shape.columns, type: type)
        let narrow = backend.makeTensor(rowCount: shape.rows, width: shape.columns / 2, type: type)
        let dense = {
            backend.multiply(
                [MatrixProduct(MatrixOperand(x), MatrixOperand(weight))], into: MatrixOutput(full))
        }
        let gathered = {
            backend.multiply(
                [MatrixProduct(MatrixOperand(x), MatrixOperand(weight, rows: half))],
                into: MatrixOutput(narrow))
        }
        dense()
        gathered()
        let operations = 2e-9 * Double(shape.rows) * Double(shape.columns) * Double(shape.depth)
        // Enough repetitions for about 30 ms, so that one interruption does not decide a round.
        let repetitions = max(1, Int(5 / operations))
        var samples: [Result] = []
        for _ in 0..<rounds {
            var sample = Result()
            sample.peak = 1e-9 * sl_measure_peak(type == .bfloat16 ? SL_BF16 : SL_F32, 0.02)
            sample.dense =
                operations * Double(repetitions)
                / Measurement.seconds { for _ in 0..<repetitions { dense() } }
            sample.gathered =
                operations / 2 * Double(repetitions)
                / Measurement.seconds { for _ in 0..<repetitions { gathered() } }
            sample.denseShare = sample.dense / sample.peak
            sample.gatheredShare = sample.gathered / sample.peak
            samples.append(sample)
        }
        return Result(
            peak: Measurement.median(samples.map(\.peak)), dense: Measurement.median(samples.map(\.dense)),
            gathered: Measurement.median(samples.map(\.gathered)),
            denseShare: Measurement.median(samples.map(\.denseShare)),
            gatheredShare: Measurement.median(samples.map(\.gatheredShare)))
    }

    private func report(_ shape: Shape, _ result: Result) {
        let name = "\(shape.rows)x\(shape.columns)x\(shape.depth)"
        if json {
            print(
                "{\"case\":\"gemm \(name)\",\"type\":\"\(type)\",\"peak_gflops\":\(fixed(result.peak, 1)),"
                    + "\"dense_gflops\":\(fixed(result.dense, 1)),\"gathered_gflops\":\(fixed(result.gathered, 1)),"
                    + "\"dense_share\":\(fixed(result.denseShare, 3)),"
                    + "\"gathered_share\":\(fixed(result.gatheredShare, 3))}")
            return
        }
        print(
            name.padding(toLength: 20, withPad: " ", startingAt: 0)
                + padded(fixed(result.peak, 0), 8) + padded(fixed(result.dense, 0), 8)
                + padded(fixed(result.denseShare, 3), 7) + padded(fixed(result.gathered, 0), 10)
                + padded(fixed(result.gatheredShare, 3), 7)
                + padded(fixed(result.gathered / result.dense, 3), 16))
    }
}
