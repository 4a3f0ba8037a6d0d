// The angles of rotary position embedding, tabulated as far as positions have been asked for.

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif
import TensorEngine

/// The angles of a model's layers: those with a window may turn otherwise than the rest.
final class RotaryEmbedding {
    private let full: RotaryAngles
    private let windowed: RotaryAngles

    init(_ configuration: DecoderConfiguration) {
        full = RotaryAngles(configuration.rotary)
        windowed = configuration.windowedRotary.map { RotaryAngles($0) } ?? full
    }

    /// Tables of at least this many positions.
    func tables(positionCount: Int, backend: any Backend) -> RotaryTables {
        RotaryTables(
            full: full.table(positionCount: positionCount, backend: backend),
            windowed: windowed.table(positionCount: positionCount, backend: backend))
    }
}

/// One table for each kind of layer.
struct RotaryTables {
    let full: RotaryTable
    let windowed: RotaryTable

    subscript(window window: Int) -> RotaryTable { window > 0 ? windowed : full }
}

/// Cosines and sines of one rotation, computed in double precision and rounded once.
private final class RotaryAngles {
    private let frequencies: [Double]
    private var table: RotaryTable?

    private static let firstCapacity = 256

    init(_ configuration: RotaryConfiguration) { frequencies = configuration.frequencies }

    /// A table of at least this many positions; it doubles when it must grow.
    func table(positionCount: Int, backend: any Backend) -> RotaryTable {
        if let table, table.positionCount >= positionCount { return table }
        var capacity = Self.firstCapacity
        while capacity < positionCount { capacity *= 2 }
        let pairs = frequencies.count
        var cosines = [Float](repeating: 0, count: capacity * pairs)
        var sines = cosines
        for position in 0..<capacity {
            for (pair, frequency) in frequencies.enumerated() {
                let angle = Double(position) * frequency
                cosines[position * pairs + pair] = Float(cos(angle))
                sines[position * pairs + pair] = Float(sin(angle))
            }
        }
        let grown = RotaryTable(
            cosines: backend.upload(cosines, rowCount: capacity, width: pairs, type: .float32),
            sines: backend.upload(sines, rowCount: capacity, width: pairs, type: .float32))
        table = grown
        return grown
    }
}
