// Column sums and the choice of the largest scores against plain code.

import TensorEngine
import TestSupport
import Testing

@Suite struct `Channel scores and selection` {
    private let backend = CPUBackend()

    /// Widths below, at and beyond a vector and a block of vectors; row counts around the groups that sums are made of.
    @Test(arguments: [(1, 1), (63, 7), (64, 16), (65, 37), (130, 133), (300, 260)])
    func `column sums over all rows and over selected ones`(rowCount: Int, width: Int) {
        var random = SeededRandom(seed: UInt64(rowCount))
        for type in [ElementType.float32, .bfloat16] {
            let x = random.tensor(rowCount, width + 3, type: type, on: backend).columns(2..<width + 2)
            let values = backend.download(x).map(Double.init)
            let some = (0..<Int32(rowCount)).filter { _ in random.next() % 3 == 0 }.reversed() + [0]
            for rows in [nil, Array(some)] {
                for squared in [false, true] {
                    var expected = [Double](repeating: 0, count: width)
                    for row in rows ?? (0..<Int32(rowCount)).map({ $0 }) {
                        for column in 0..<width {
                            let value = values[Int(row) * width + column]
                            expected[column] += squared ? value * value : value
                        }
                    }
                    forEachInstructionSet { set in
                        let sums = backend.makeTensor(rowCount: 1, width: width, type: .float32)
                        backend.columnSums(
                            of: x, rows: rows.map { backend.upload($0) }, squared: squared, into: sums)
                        // Up to 300 terms below 1, each sum rounded to 2^-24 of what is reached so far.
                        expectClose(
                            backend.download(sums), expected.map { Float($0) }, absolute: 2e-5,
                            relative: 2e-6, "\(set) \(type) \(rows == nil ? "all" : "some") \(squared)")
                    }
                }
            }
        }
    }

    @Test func `a column's sum does not depend on how columns are dealt out`() {
        var random = SeededRandom(seed: 5)
        let x = random.tensor(517, 301, on: backend)
        forEachInstructionSet { set in
            func sums(_ columns: Range<Int>) -> [Float] {
                let sums = backend.makeTensor(rowCount: 1, width: columns.count, type: .float32)
                backend.columnSums(of: x.columns(columns), rows: nil, squared: true, into: sums)
                return backend.download(sums)
            }
            #expect(sums(0..<301) == sums(0..<1) + sums(1..<100) + sums(100..<301), "\(set)")
        }
    }

    @Test(arguments: [(1, 1), (5, 7), (9, 16), (3, 37), (130, 576)])
    func `squares of rows are summed, of all rows and of selected ones`(rowCount: Int, width: Int) {
        var random = SeededRandom(seed: UInt64(width))
        for type in [ElementType.float32, .bfloat16] {
            let x = random.tensor(rowCount, width + 3, type: type, on: backend).columns(2..<width + 2)
            let values = backend.download(x).map(Double.init)
            for rows: [Int32]? in [nil, [Int32(rowCount - 1), 0]] {
                let numbers: [Int] = rows?.map(Int.init) ?? Array(0..<rowCount)
                let expected: [Float] = numbers.map { number in
                    let row = values[number * width..<(number + 1) * width]
                    return Float(row.reduce(0.0) { $0 + $1 * $1 })
                }
                forEachInstructionSet { set in
                    let sums = backend.makeTensor(rowCount: 1, width: expected.count, type: .float32)
                    backend.squaredRowSums(of: x, rows: rows.map { backend.upload($0) }, into: sums)
                    expectClose(
                        backend.download(sums), expected, absolute: 0, relative: 1e-5, "\(set) \(type)")
                }
            }
        }
    }

    @Test func `indices are taken from other indices`() {
        let indices = backend.upload([5, 9, 12, 40])
        let picked = backend.elements(ofIndices: indices, at: backend.upload([3, 0, 0]))
        #expect(backend.downloadIndices(picked) == [40, 5, 5])
        #expect(backend.elements(ofIndices: indices, at: backend.upload([])).count == 0)
    }

    @Test func `rows are found among candidates`() {
        func positions(_ elements: [Int32], _ candidates: [Int32]) -> [Int32] {
            backend.downloadIndices(
                backend.positions(of: backend.upload(elements), in: backend.upload(candidates)))
        }
        #expect(positions([1, 4, 9], [0, 1, 2, 9, 10]) == [1, 3])
        #expect(positions([0, 1], [0, 1]) == [0, 1])
        #expect(positions([], [3]) == [] && positions([3], []) == [] && positions([7], [3]) == [])
    }

    @Test func `rows are counted below boundaries`() {
        func counts(_ elements: [Int32], _ boundaries: [Int32]) -> [Int32] {
            backend.downloadIndices(
                backend.counts(of: backend.upload(elements), below: backend.upload(boundaries)))
        }
        #expect(counts([0, 1, 4, 5, 9], [0, 4, 4, 6, 12]) == [0, 2, 2, 4, 5])
        #expect(counts([2], [0, 3]) == [0, 1])
        #expect(counts([], [0, 2]) == [0, 0])
    }

    @Test func `no rows sum to zero`() {
        let sums = backend.upload([3, 4], rowCount: 1, width: 2, type: .float32)
        backend.columnSums(
            of: backend.upload([1, 2], rowCount: 1, width: 2, type: .float32), rows: backend.upload([]),
            squared: false, into: sums)
        #expect(backend.download(sums) == [0, 0])
    }

    private func expectSelection(
        _ scores: [Float], count: Int, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let order = scores.indices.sorted { left, right in
            let (a, b) = (scores[left], scores[right])
            if a.isNaN || b.isNaN { return a.isNaN == b.isNaN ? left < right : b.isNaN }
            return a == b ? left < right : a > b
        }.map { Int32($0) }
        let (kept, rest) = backend.selectLargest(
            backend.upload(scores, rowCount: 1, width: scores.count, type: .float32), count: count)
        #expect(backend.downloadIndices(kept) == order.prefix(count).sorted(), sourceLocation: sourceLocation)
        #expect(
            backend.downloadIndices(rest) == order.dropFirst(count).sorted(), sourceLocation: sourceLocation)
    }

    @Test(arguments: [1, 2, 17, 400, 1536])
    func `the largest scores are those a full sort puts first`(size: Int) {
        var random = SeededRandom(seed: UInt64(size))
        let scores = random.floats(size, limit: 1e-3)
        for count in Set([0, 1, size / 10, size / 2, size - 1, size]) {
            expectSelection(scores, count: count)
        }
    }

    @Test func `of equal scores the lower index wins, and NaN comes last`() {
        expectSelection([2, 2, 2, 2], count: 2)
        expectSelection([0, -0.0, 0, -1, -0.0], count: 2)
        expectSelection([.nan, 1, -.infinity, .nan, .infinity, -1], count: 4)
        expectSelection([.nan, 1, -.infinity, -.nan, .infinity, -1], count: 5)
        expectSelection(
            [.leastNonzeroMagnitude, 0, -.leastNonzeroMagnitude, .leastNormalMagnitude / 2], count: 2)
        var random = SeededRandom(seed: 9)
        let coarse = (0..<900).map { _ in Float(random.next() % 7) - 3 }
        for count in [1, 128, 450, 899] { expectSelection(coarse, count: count) }
    }
}
