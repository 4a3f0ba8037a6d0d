// Matrices in the kernels' own terms, for tests that compare kernels with plain loops in double precision.

import CKernels
import Testing

/// The instruction sets that this processor has.
let availableInstructionSets = (0..<SL_ISA_COUNT.rawValue).map { sl_isa(rawValue: $0) }.filter(
    sl_isa_available)

/// Runs `body` once per available instruction set. The choice is the calling thread's own.
func onEveryInstructionSet(_ body: (_ name: String) throws -> Void) rethrows {
    let previous = sl_isa_current()
    defer { _ = sl_isa_select(previous) }
    for instructionSet in availableInstructionSets where sl_isa_select(instructionSet) {
        try body(String(cString: sl_isa_name(instructionSet)))
    }
}

/// SplitMix64.
struct KernelRandom {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Below `bound`.
    mutating func int(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
    mutating func bool() -> Bool { next() & 1 == 1 }
    /// From -2 to 2, in steps that bf16 holds exactly.
    mutating func float() -> Float { Float(int(257) - 128) / 64 }
    mutating func type() -> sl_type { bool() ? SL_BF16 : SL_F32 }
    mutating func floats(_ count: Int) -> [Float] { (0..<count).map { _ in float() } }

    /// Distinct indices below `bound`.
    mutating func indices(_ count: Int, below bound: Int) -> [Int32] {
        var all = (0..<Int32(bound)).map { $0 }
        for i in 0..<count { all.swapAt(i, i + int(bound - i)) }
        return Array(all[..<count])
    }
}

func bf16Bits(_ x: Float) -> UInt16 {
    if x.isNaN { return UInt16(x.bitPattern >> 16) | 0x40 }
    return UInt16((UInt64(x.bitPattern) + 0x7FFF + UInt64(x.bitPattern >> 16 & 1)) >> 16)
}

func float(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

/// A matrix of either type with a few elements between its rows, which no kernel may touch.
final class KernelMatrix {
    let rows, width, stride: Int
    let type: sl_type
    private let memory: UnsafeMutableRawPointer
    private static let untouched: Float = 12_345

    init(_ rows: Int, _ width: Int, _ type: sl_type, gap: Int = 0) {
        (self.rows, self.width, self.type, stride) = (rows, width, type, width + gap)
        memory = .allocate(byteCount: max(4, rows * stride * 4), alignment: 64)
        for row in 0..<rows { for column in 0..<stride { set(row, column, Self.untouched) } }
    }

    deinit { memory.deallocate() }

    static func random(_ rows: Int, _ width: Int, _ type: sl_type, _ random: inout KernelRandom)
        -> KernelMatrix
    {
        let matrix = KernelMatrix(rows, width, type, gap: random.int(4))
        for row in 0..<rows { for column in 0..<width { matrix[row, column] = random.float() } }
        return matrix
    }

    var matrix: sl_matrix { sl_matrix(data: memory, type: type, stride: Int64(stride)) }

    private func set(_ row: Int, _ column: Int, _ value: Float) {
        let at = row * stride + column
        if type == SL_BF16 {
            memory.storeBytes(of: bf16Bits(value), toByteOffset: 2 * at, as: UInt16.self)
        } else {
            memory.storeBytes(of: value, toByteOffset: 4 * at, as: Float.self)
        }
    }

    private func get(_ row: Int, _ column: Int) -> Float {
        let at = row * stride + column
        return type == SL_BF16
            ? float(memory.load(fromByteOffset: 2 * at, as: UInt16.self))
            : memory.load(fromByteOffset: 4 * at, as: Float.self)
    }

    subscript(row: Int, column: Int) -> Float {
        get { get(row, column) }
        set { set(row, column, newValue) }
    }

    var values: [Double] {
        (0..<rows).flatMap { row in (0..<width).map { Double(get(row, $0)) } }
    }

    func fill(_ values: [Double]) {
        for row in 0..<rows {
            for column in 0..<width { set(row, column, Float(values[row * width + column])) }
        }
    }

    var gapsAreUntouched: Bool {
        let expected = type == SL_BF16 ? float(bf16Bits(Self.untouched)) : Self.untouched
        return (0..<rows).allSatisfy { row in (width..<stride).allSatisfy { get(row, $0) == expected } }
    }

    /// Compares with values in double precision: within `tolerance` of a number of size 1 or more, plus half a unit
    /// in the last place of bf16 (at most 2^-8 of the value) where that is stored.
    func expect(
        _ expected: [Double], tolerance: Double = 4e-6, _ what: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(gapsAreUntouched, "\(what): wrote outside its columns", sourceLocation: sourceLocation)
        let actual = values
        precondition(actual.count == expected.count)
        for (index, (a, e)) in zip(actual, expected).enumerated() {
            let allowed = tolerance * max(1, abs(e)) + (type == SL_BF16 ? abs(e) / 256 : 0)
            if !(abs(a - e) <= allowed) {
                Issue.record(
                    "\(what): row \(index / width), column \(index % width) is \(a), expected \(e)",
                    sourceLocation: sourceLocation)
                return
            }
        }
    }
}

/// The slope of `f` at `x` by a central difference.
func slope(at x: Double, _ f: (Double) -> Double) -> Double {
    let step = 1e-5
    return (f(x + step) - f(x - step)) / (2 * step)
}
