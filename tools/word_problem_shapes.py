"""The story shapes of the word problems: what is drawn, how it is told, and how it is solved.

`draw` names the numbers and their ranges, or @list for a choice from LISTS. `steps` are worked in order, each
"label: left operator right = name"; the last one is the answer. A draw whose steps leave the whole numbers
from 0 to 999 is thrown away, so divisions come out even and nothing goes negative.
"""
from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    name: str
    draw: str
    tellings: tuple[str, ...]
    steps: tuple[str, ...]


NAMES = (
    "Ada Amir Anna Ben Carla Chen Dana David Elif Emma Farid Grace Hana Hugo Ines Ivan Jamal Jana Jonas Kofi Lara "
    "Leo Lin Lucas Maya Mei Mina Noah Nora Olga Omar Paula Pedro Priya Rosa Ruth Sam Sara Tariq Tom Uma Vera Yuki Zoe"
).split()

# Lists of tuples fill several fields at once: @fractions as `part` gives {part} and {part.word}.
LISTS = {
    "things": "pens pencils stickers marbles shells buttons cards badges stamps beads coins ribbons".split(),
    "food": "apples pears plums lemons eggs rolls muffins cookies oranges bananas peaches".split(),
    "packs": "packs boxes bags cartons bundles".split(),
    "wares": "notebooks mugs candles scarves puzzles lamps shirts plants towels hats".split(),
    "makers": "baker farmer shopkeeper cook gardener".split(),
    "sports": "runs swims walks cycles jogs".split(),
    "liquids": "juice milk water soup paint oil".split(),
    "fractions": [(2, "half"), (3, "a third"), (4, "a quarter"), (5, "a fifth")],
    "percents": [(2, "50"), (4, "25"), (5, "20"), (10, "10")],
}

SHAPES = (
    Shape(
        "packs and singles",
        "packs=2-9 size=3-12 loose=2-30 item=@things pack=@packs",
        ("{A} buys {packs} {pack} of {size} {item} and finds {loose} more {item}. How many {item} does {A} have now?",
         "There are {size} {item} in each of {packs} {pack}, and {loose} {item} lie on the table. "
         "How many {item} are there in all?",
         "{A} has {loose} {item}. A friend gives {A} {packs} {pack} with {size} {item} in each. "
         "How many {item} does {A} have altogether?"),
        ("In {pack}: packs * size = packed", "In all: packed + loose = total"),
    ),
    Shape(
        "packs less some",
        "packs=3-9 size=4-12 gone=3-30 item=@food pack=@packs",
        ("{A} has {packs} {pack} of {size} {item}. {A} gives away {gone} {item}. How many {item} are left?",
         "A shop gets {packs} {pack} with {size} {item} each and sells {gone} {item}. How many {item} remain?",
         "{gone} of the {item} are bad. {A} had bought {packs} {pack}, each with {size} {item}. "
         "How many good {item} are there?"),
        ("At first: packs * size = start", "Left: start - gone = left"),
    ),
    Shape(
        "two prices",
        "count=2-8 price=2-12 other=2-8 cost=2-12 item=@wares food=@food",
        ("{A} buys {count} {item} at ${price} each and {other} bags of {food} at ${cost} each. How much does {A} pay?",
         "One of the {item} costs ${price} and a bag of {food} costs ${cost}. "
         "What do {count} {item} and {other} bags of {food} cost together?"),
        ("{item}: count * price = first", "{food}: other * cost = second", "Together: first + second = total"),
    ),
    Shape(
        "change",
        "count=2-9 price=2-12 note=50-100/10 item=@wares",
        ("{A} buys {count} {item} at ${price} each and pays with ${note}. How much change does {A} get?",
         "{A} has ${note} and buys {count} {item}. Each costs ${price}. How much money is left?",
         "The {item} cost ${price} each. {A} takes {count} of them and hands over ${note}. What is the change?"),
        ("Cost: count * price = cost", "Change: note - cost = change"),
    ),
    Shape(
        "save up",
        "target=30-150/5 saved=5-60/5 weekly=2-12",
        ("{A} wants to save ${target}. {A} has ${saved} and saves ${weekly} a week. How many weeks will it take?",
         "A bicycle costs ${target}. {A} already has ${saved} and earns ${weekly} every week. "
         "After how many weeks can {A} buy it?"),
        ("Missing: target - saved = missing", "Weeks: missing / weekly = weeks"),
    ),
    Shape(
        "share after giving",
        "start=20-99 gone=2-25 people=2-9 item=@food",
        ("{A} has {start} {item}, eats {gone} and shares the rest equally among {people} friends. "
         "How many {item} does each friend get?",
         "Of {start} {item}, {gone} are put aside. The others are divided evenly among {people} children. "
         "How many {item} does each child get?"),
        ("To share: start - gone = rest", "Each: rest / people = each"),
    ),
    Shape(
        "share together",
        "first=5-60 second=5-60 people=2-8 item=@things",
        ("{A} has {first} {item} and {B} has {second}. They put them together and share them equally among {people} "
         "children. How many {item} does each child get?",
         "{A} brings {first} {item} and {B} brings {second} {item}. All of them are sorted into {people} equal piles. "
         "How many {item} are in each pile?"),
        ("Together: first + second = total", "Each: total / people = each"),
    ),
    Shape(
        "fraction spent",
        "start=12-96 part=@fractions more=2-20",
        ("{A} has ${start} and spends {part.word} of it. Then {A} earns ${more}. How much money does {A} have?",
         "{A} had ${start}, gave {part.word} of the money to {B} and later got ${more}. "
         "How much money does {A} have now?"),
        ("Spent: start / part = spent", "Left: start - spent = left", "Now: left + more = now"),
    ),
    Shape(
        "fraction left",
        "start=12-180 part=@fractions item=@food",
        ("A basket holds {start} {item}. {part.word} of the {item} are eaten. How many {item} are left?",
         "{A} picks {start} {item} and gives {part.word} of them to {B}. How many {item} does {A} keep?",
         "{A} sells {part.word} of {start} {item}. How many {item} are not sold?"),
        ("Gone: start / part = gone", "Left: start - gone = left"),
    ),
    Shape(
        "discount",
        "price=20-200 off=@percents item=@wares",
        ("A set of {item} costs ${price}. It is sold at {off.word}% off. What is the new price?",
         "{A} gets {off.word}% off a bill of ${price}. How much does {A} pay?",
         "The price of ${price} falls by {off.word}%. What is the price now?"),
        ("{off.word}% off: price / off = discount", "New price: price - discount = paid"),
    ),
    Shape(
        "rise in percent",
        "start=20-200 rise=@percents",
        ("A club had {start} members. The number grew by {rise.word}%. How many members are there now?",
         "{A} earned ${start} a day. The pay rises by {rise.word}%. How much does {A} earn a day now?"),
        ("{rise.word}% more: start / rise = more", "Now: start + more = now"),
    ),
    Shape(
        "speed",
        "speed=3-12 hours=2-8 more=2-30 sport=@sports",
        ("{A} {sport} {speed} km an hour for {hours} hours and then {more} km more. How many km is that?",
         "At {speed} km an hour {A} travels for {hours} hours. After a rest {A} goes another {more} km. "
         "How far does {A} go?"),
        ("First part: speed * hours = first", "In all: first + more = total"),
    ),
    Shape(
        "two speeds",
        "fast=10-60/10 hours=2-6 slow=3-12 extra=2-6",
        ("A bus drives {hours} hours at {fast} km an hour and {extra} hours at {slow} km an hour. How far does it go?",
         "{A} rides for {hours} hours at {fast} km an hour, then for {extra} hours at {slow} km an hour. "
         "How many km does {A} ride?"),
        ("Fast part: fast * hours = first", "Slow part: slow * extra = second", "In all: first + second = total"),
    ),
    Shape(
        "machine rate",
        "total=12-96 hours=2-8 wanted=2-6 item=@things",
        ("A machine makes {total} {item} in {hours} hours. How many {item} does it make in {wanted} hours?",
         "In {hours} hours {A} packs {total} {item}. How many {item} does {A} pack in {wanted} hours?"),
        ("In one hour: total / hours = rate", "In {wanted} hours: rate * wanted = made"),
    ),
    Shape(
        "unit price",
        "count=2-9 total=6-90 wanted=2-9 item=@wares",
        ("{count} {item} cost ${total}. How much do {wanted} {item} cost?",
         "{A} pays ${total} for {count} {item}. {B} wants {wanted} of the same {item}. How much must {B} pay?",
         "If {count} {item} are sold for ${total}, what is the price of {wanted} {item}?"),
        ("One costs: total / count = price", "{wanted} cost: price * wanted = cost"),
    ),
    Shape(
        "older and together",
        "age=4-40 older=2-25",
        ("{A} is {age} years old. {B} is {older} years older than {A}. How old are they together?",
         "{B} is {older} years older than {A}, who is {age}. What is the sum of their ages?"),
        ("{B}: age + older = second", "Together: age + second = total"),
    ),
    Shape(
        "age in years",
        "age=3-15 times=2-5 years=2-20",
        ("{A} is {age}. {B} is {times} times as old. How old will {B} be in {years} years?",
         "{B} is {times} times as old as {A}, who is {age} years old. What will be the age of {B} {years} years from now?"),
        ("{B} now: age * times = now", "In {years} years: now + years = then"),
    ),
    Shape(
        "times as many",
        "start=3-25 times=2-6 item=@things",
        ("{A} has {start} {item}. {B} has {times} times as many. How many {item} do they have together?",
         "{B} collects {times} times as many {item} as {A}, who collects {start}. How many {item} is that in all?"),
        ("{B}: start * times = second", "Together: start + second = total"),
    ),
    Shape(
        "fewer and together",
        "start=20-90 fewer=3-40 item=@things",
        ("{A} has {start} {item}. {B} has {fewer} fewer {item} than {A}. How many {item} do they have together?",
         "{B} found {fewer} fewer {item} than {A}, who found {start}. How many {item} did the two find?"),
        ("{B}: start - fewer = second", "Together: start + second = total"),
    ),
    Shape(
        "minutes",
        "hours=2-9 minutes=1-59",
        ("A trip takes {hours} hours and {minutes} minutes. How many minutes is that?",
         "{A} works for {hours} hours and {minutes} minutes. For how many minutes does {A} work?",
         "A film lasts {hours} hours and {minutes} minutes. How long is it in minutes?"),
        ("Hours in minutes: hours * 60 = whole", "In all: whole + minutes = total"),
    ),
    Shape(
        "daily and weekly",
        "daily=2-12 days=3-9 done=3-40",
        ("{A} reads {daily} pages a day for {days} days. {A} had read {done} pages before. "
         "How many pages has {A} read?",
         "After {done} pages, {A} reads {daily} pages on each of {days} days. On which page is {A} then?"),
        ("In {days} days: daily * days = read", "In all: read + done = total"),
    ),
    Shape(
        "book left",
        "pages=80-300/10 daily=5-12 days=3-9",
        ("A book has {pages} pages. {A} reads {daily} pages a day for {days} days. How many pages are left?",
         "{A} reads {daily} of {pages} pages every day. How many pages remain after {days} days?"),
        ("Read: daily * days = read", "Left: pages - read = left"),
    ),
    Shape(
        "rows",
        "rows=3-10 seats=4-10 empty=2-30",
        ("A hall has {rows} rows of {seats} seats. {empty} seats are empty. How many seats are taken?",
         "There are {seats} chairs in each of {rows} rows, and {empty} chairs are free. How many people sit there?"),
        ("Seats: rows * seats = all", "Taken: all - empty = taken"),
    ),
    Shape(
        "earn and spend",
        "hours=3-10 pay=6-12 spent=5-60",
        ("{A} works {hours} hours for ${pay} an hour and spends ${spent}. How much is left?",
         "{A} earns ${pay} an hour. After {hours} hours of work {A} pays ${spent} for food. "
         "How much money does {A} have left?"),
        ("Earned: hours * pay = earned", "Left: earned - spent = left"),
    ),
    Shape(
        "legs",
        "many=2-15 birds=2-20",
        ("A farm has {many} dogs and {birds} hens. How many legs do they have in all?",
         "{A} counts {many} cats and {birds} birds. How many legs is that?"),
        ("On four legs: many * 4 = first", "On two legs: birds * 2 = second", "In all: first + second = total"),
    ),
    Shape(
        "groups of people",
        "classes=2-9 size=5-15 buses=2-8",
        ("{classes} groups of {size} people go on {buses} buses with equally many people on each. "
         "How many people are on a bus?",
         "A school has {classes} classes of {size} children. They form {buses} equal teams. "
         "How many children are in a team?"),
        ("People: classes * size = people", "Each: people / buses = each"),
    ),
    Shape(
        "repack",
        "boxes=2-9 size=4-12 smaller=2-9 item=@food maker=@makers",
        ("A {maker} has {boxes} boxes of {size} {item} and puts them into bags of {smaller}. How many bags are needed?",
         "{boxes} trays hold {size} {item} each. How many bags of {smaller} {item} can be filled from them?"),
        ("{item}: boxes * size = all", "Bags: all / smaller = bags"),
    ),
    Shape(
        "litres",
        "tank=50-200/10 daily=3-12 days=2-9 liquid=@liquids",
        ("A tank holds {tank} litres of {liquid}. Each day {daily} litres are used. "
         "How many litres are left after {days} days?",
         "{daily} litres of {liquid} leave a full tank every day. It held {tank} litres. "
         "How many litres does it hold after {days} days?"),
        ("Used: daily * days = used", "Left: tank - used = left"),
    ),
    Shape(
        "in and out",
        "start=10-60 on=3-30 off=3-30",
        ("A bus has {start} people on it. {off} get off and {on} get on. How many people are on the bus now?",
         "{start} people are in a shop. {off} leave, and {on} come in. How many people are in the shop then?",
         "{A} has ${start}, spends ${off} and then earns ${on}. How much money does {A} have?"),
        ("After leaving: start - off = rest", "Now: rest + on = now"),
    ),
    Shape(
        "three parts",
        "first=5-40 second=5-40 third=5-40 item=@things",
        ("{A} has {first} red, {second} blue and {third} green {item}. How many {item} is that?",
         "In three days {A} sells {first}, {second} and {third} {item}. How many {item} does {A} sell?"),
        ("First two: first + second = two", "In all: two + third = total"),
    ),
)
