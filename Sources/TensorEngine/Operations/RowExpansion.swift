// Rows that stand for several: repeated on the way forward, their gradients added up on the way back.

/// How R rows become more.
package struct RowExpansion {
    /// int32 [rows]: which of the R rows each one is.
    let sources: Tensor
    /// The rows that row i became are `members[starts[i] ..< starts[i + 1]]`, ascending.
    let starts: Tensor
    let members: Tensor
    private let sourceCount: Int

    /// - Precondition: sources are below `sourceCount`.
    package init(sources: [Int32], sourceCount: Int, on backend: any Backend) {
        var starts = [Int32](repeating: 0, count: sourceCount + 1)
        for source in sources { starts[Int(source) + 1] += 1 }
        for row in 0..<sourceCount { starts[row + 1] += starts[row] }
        var next = starts
        var members = [Int32](repeating: 0, count: sources.count)
        for (row, source) in sources.enumerated() {
            members[Int(next[Int(source)])] = Int32(row)
            next[Int(source)] += 1
        }
        self.sources = backend.upload(sources)
        self.starts = backend.upload(starts)
        self.members = backend.upload(members)
        self.sourceCount = sourceCount
    }

    fileprivate func check(_ x: Tensor) {
        precondition(
            x.rowCount == sourceCount, "expandRows: \(x.shapeDescription), expected \(sourceCount) rows")
    }
}

extension Tape {
    /// Rows `sources` of x [R, D] -> [rows, D]. The gradient of a row is the sum of what its copies get, rounded once.
    package func expandRows(_ x: Variable, _ expansion: RowExpansion) -> Variable {
        expansion.check(x.value)
        let output = backend.gathered(x.value, rows: expansion.sources)
        guard isRecording, let slot = x.gradientSlot else { return constant(output) }
        let (rowCount, width) = (x.value.rowCount, x.value.width)
        return record(output) { [backend] gradient in
            let sums = backend.makeTensor(rowCount: rowCount, width: width, type: gradient.type)
            backend.sumRows(of: gradient, starts: expansion.starts, members: expansion.members, into: sums)
            slot.contribute(sums, on: backend)
        }
    }
}
