import { config } from 'zod'

// zod would compile a function for each schema when it is first used, which is most of what reading the settings costs a start, and
// keeps the code. They are read a few times a day.
config({ jitless: true })
