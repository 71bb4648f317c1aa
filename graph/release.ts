/** Of the programs, of the recipes, and of the systems that they make: one release has all of them. */
export const VERSION = '0.1.0'
