// The rule that turns ratios into channels.

import ContextualSparsity
import Testing

@Suite struct KeptChannelsTests {
    @Test func `published widths and ratios keep the published numbers of channels`() {
        let expected = [
            (14336, 0.99, 143), (11008, 0.9, 1100), (11008, 0.97, 330), (4096, 0.6, 1638), (1024, 0.2, 819),
            (1024, 0.75, 256), (10, 0.9, 1), (1536, 0, 1536),
        ]
        for (count, dropped, kept) in expected {
            #expect(KeptChannels.count(of: count, dropping: dropped) == kept, "\(count) at \(dropped)")
        }
    }

    @Test func `one channel stays however much is dropped`() {
        #expect(KeptChannels.count(of: 8, dropping: 0.999) == 1)
        #expect(KeptChannels.count(of: 1, dropping: 0.5) == 1)
    }

    @Test func `a method that is free to choose keeps whole blocks`() {
        let expected = [
            (153, 1536, 160), (144, 576, 160), (143, 576, 128), (90, 360, 96), (64, 100, 64), (63, 100, 63),
            (1000, 1000, 1000), (990, 1000, 992), (999, 1000, 992), (1010, 1011, 1011),
        ]
        for (kept, most, whole) in expected {
            #expect(KeptChannels.wholeBlocks(kept, most: most) == whole, "\(kept) of \(most)")
        }
    }
}
