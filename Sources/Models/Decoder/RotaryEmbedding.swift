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
    private let windowed: RotaryAngles?

    init(_ configuration: DecoderConfiguration) {
        full = RotaryAngles(configuration.rotary)
        windowed = configuration.windowedRotary.map { RotaryAngles($0) }
    }

    /// Tables for sequences of these lengths.
    func tables(lengths: [Int], backend: any Backend) -> RotaryTables {
        let longest = lengths.max() ?? 0
        let (table, firstRows) = full.table(lengths: lengths, backend: backend)
        return RotaryTables(
            full: table, windowed: windowed?.table(positionCount: longest, backend: backend),
            firstRows: firstRows)
    }
}

/// One table for each kind of layer.
struct RotaryTables {
    let full: RotaryTable
    /// Nil where layers with a window rotate as the rest; its rows are positions.
    let windowed: RotaryTable?
    /// The row of `full` that is position 0, for each sequence; nil where it is 0 for all.
    let firstRows: [Int32]?

    /// The rows of `full` for the positions of a batch whose sequences begin at `starts`; nil where they are the
    /// positions themselves.
    func rows(ofPositions positions: [Int32], starts: [Int32]) -> [Int32]? {
        guard let firstRows else { return nil }
        var rows = positions
        for (sequence, first) in firstRows.enumerated() {
            for row in Int(starts[sequence])..<Int(starts[sequence + 1]) { rows[row] += first }
        }
        return rows
    }
}

/// Cosines and sines of one rotation, computed in double precision and rounded once.
private final class RotaryAngles {
    private let configuration: RotaryConfiguration
    /// Of sequences no longer than the model was made for, and of all others where length does not matter.
    private var table: RotaryTable?

    private static let firstCapacity = 256

    init(_ configuration: RotaryConfiguration) { self.configuration = configuration }

    /// A table of at least this many positions; it doubles when it must grow.
    func table(positionCount: Int, backend: any Backend) -> RotaryTable {
        if let table, table.positionCount >= positionCount { return table }
        var capacity = Self.firstCapacity
        while capacity < positionCount { capacity *= 2 }
        let grown = makeTable([(length: 0, positionCount: capacity)], backend: backend)
        table = grown
        return grown
    }

    /// A table for sequences of these lengths, each by its own frequencies, and the first row of each.
    func table(lengths: [Int], backend: any Backend) -> (table: RotaryTable, firstRows: [Int32]?) {
        let kinds = lengths.map { configuration.frequencyLength(ofSequence: $0) }
        guard kinds.contains(where: { $0 > 0 }) else {
            return (table(positionCount: lengths.max() ?? 0, backend: backend), nil)
        }
        var parts: [(length: Int, positionCount: Int)] = []
        for (kind, length) in zip(kinds, lengths) {
            if let part = parts.firstIndex(where: { $0.length == kind }) {
                parts[part].positionCount = max(parts[part].positionCount, length)
            } else {
                parts.append((kind, length))
            }
        }
        var firstRowOfKind: [Int: Int32] = [:]
        var rowCount = 0
        for part in parts {
            firstRowOfKind[part.length] = Int32(rowCount)
            rowCount += part.positionCount
        }
        return (makeTable(parts, backend: backend), kinds.map { firstRowOfKind[$0] ?? 0 })
    }

    private func makeTable(
        _ parts: [(length: Int, positionCount: Int)], backend: any Backend
    ) -> RotaryTable {
        let pairs = configuration.width / 2
        let rowCount = parts.reduce(0) { $0 + $1.positionCount }
        var cosines: [Float] = []
        var sines: [Float] = []
        cosines.reserveCapacity(rowCount * pairs)
        sines.reserveCapacity(rowCount * pairs)
        let scale = Double(configuration.attentionFactor)
        for part in parts {
            let frequencies = configuration.frequencies(length: part.length)
            for position in 0..<part.positionCount {
                for frequency in frequencies {
                    let angle = Double(position) * frequency
                    cosines.append(Float(scale * cos(angle)))
                    sines.append(Float(scale * sin(angle)))
                }
            }
        }
        return RotaryTable(
            cosines: backend.upload(cosines, rowCount: rowCount, width: pairs, type: .float32),
            sines: backend.upload(sines, rowCount: rowCount, width: pairs, type: .float32))
    }
}
