// Half-precision conversions against Swift's own, over every half and over values where rounding decides.

import CKernels
import Testing

@Suite struct ConversionTests {
    @Test func everyHalfBecomesTheSameFloatAsSwiftMakes() {
        let halves = (0...UInt16.max).map { $0 }
        var floats = [Float](repeating: 0, count: halves.count)
        sl_dequantize_f32(SL_BLOCK_F16, Int64(halves.count), halves, &floats)
        for (half, float) in zip(halves, floats) {
            let expected = Float(Float16(bitPattern: half))
            #expect(float.bitPattern == expected.bitPattern || (float.isNaN && expected.isNaN), "\(half)")
        }
    }

    /// Values on, beside and between halves and brain floats, of every exponent, and NaNs.
    private var samples: [Float] {
        var generator = SeededGenerator(state: 7)
        var samples: [Float] = [
            .nan, -.nan, .signalingNaN, .infinity, -.infinity, 0, -0.0, 65504, 65519.996, 65520,
        ]
        for exponent in UInt32(0)...255 {
            for fraction in [
                0, 1, 0xFFF, 0x1000, 0x1001, 0x2FFF, 0x3000, 0x7FFF, 0x8000, 0x8001, 0x1_8000, 0x7F_FFFF,
            ] {
                samples.append(Float(bitPattern: exponent << 23 | UInt32(fraction)))
                samples.append(Float(bitPattern: 1 << 31 | exponent << 23 | UInt32(fraction)))
            }
        }
        for _ in 0..<20_000 {
            samples.append(Float(bitPattern: UInt32(truncatingIfNeeded: generator.next())))
        }
        return samples
    }

    @Test func floatsRoundToHalvesAsSwiftRounds() {
        let samples = samples
        var halves = [UInt16](repeating: 0, count: samples.count)
        sl_f32_to_f16(Int64(samples.count), samples, &halves)
        for (sample, half) in zip(samples, halves) {
            let expected = Float16(sample)
            let isRight =
                sample.isNaN ? Float16(bitPattern: half).isNaN : half == expected.bitPattern
            #expect(isRight, "\(sample)")
        }
    }

    @Test func floatsRoundToTheNearestBrainFloat() {
        let samples = samples
        var brains = [UInt16](repeating: 0, count: samples.count)
        sl_f32_to_bf16(Int64(samples.count), samples, &brains)
        for (sample, brain) in zip(samples, brains) {
            let rounded = Float(bitPattern: UInt32(brain) << 16)
            if sample.isNaN {
                #expect(rounded.isNaN && rounded.sign == sample.sign)
                continue
            }
            // In exact arithmetic on the bits: the distance to the result is at most that to either neighbour.
            let kept = Int64(sample.bitPattern & 0x7FFF_FFFF)
            let result = Int64(brain & 0x7FFF) << 16
            #expect(abs(result - kept) <= 0x8000)
            if abs(result - kept) == 0x8000 { #expect(brain & 1 == 0, "ties go to even") }
            #expect(rounded.sign == sample.sign)
        }
    }

    @Test func decodingUsesNoAlignment() {
        var bytes = [UInt8](repeating: 0, count: 1 + 34)
        // d = 1, values 0 ... 31.
        bytes.replaceSubrange(1..<3, with: [0x00, 0x3C])
        for index in 0..<32 { bytes[3 + index] = UInt8(index) }
        var floats = [Float](repeating: 0, count: 32)
        bytes.withUnsafeBytes { sl_dequantize_f32(SL_BLOCK_Q8_0, 1, $0.baseAddress.map { $0 + 1 }, &floats) }
        #expect(floats == (0..<32).map { Float($0) })
    }

    @Test func largeTensorsAreDecodedWholeWhateverTheSplit() {
        let count = 300_001
        let values = (0..<count).map { Float($0) }
        var floats = [Float](repeating: -1, count: count)
        var brains = [UInt16](repeating: 1, count: count)
        sl_dequantize_f32(SL_BLOCK_F32, Int64(count), values, &floats)
        sl_dequantize_bf16(SL_BLOCK_F32, Int64(count), values, &brains)
        #expect(floats == values)
        var expected = brains
        sl_f32_to_bf16(Int64(count), values, &expected)
        #expect(brains == expected)
    }

    @Test(arguments: [SL_BLOCK_Q4_K, SL_BLOCK_Q6_K, SL_BLOCK_IQ4_NL])
    func blocksOfAnyLengthAreDecodedWholeWhateverTheSplit(_ type: sl_block_type) {
        // More than two tasks' worth of values, not a multiple of a task's.
        let (length, size) =
            type == SL_BLOCK_Q4_K ? (256, 144) : type == SL_BLOCK_Q6_K ? (256, 210) : (32, 18)
        let count = 150_000 / length
        var generator = SeededGenerator(state: 3)
        let blocks = (0..<count * size).map { _ in UInt8.random(in: 0..<0x40, using: &generator) }
        var values = [Float](repeating: .nan, count: count * length)
        sl_dequantize_f32(type, Int64(count), blocks, &values)
        var single = [Float](repeating: 0, count: length)
        for index in 0..<count {
            let block = Array(blocks[index * size..<(index + 1) * size])
            sl_dequantize_f32(type, 1, block, &single)
            #expect(single == Array(values[index * length..<(index + 1) * length]))
        }
    }

    @Test func quantisesZerosAndHalvesAwayFromZero() {
        var values = [Float](repeating: 0, count: 64)
        values[32] = 127
        values[33] = 0.5
        values[34] = -0.5
        values[35] = 0.49999997
        values[36] = -127
        var blocks = [UInt8](repeating: 9, count: 68)
        sl_quantize_q8_0(2, values, &blocks)
        #expect(blocks[..<34].allSatisfy { $0 == 0 })
        #expect(Array(blocks[34..<41]) == [0x00, 0x3C, 127, 1, 0xFF, 0, 0x81])
    }
}
