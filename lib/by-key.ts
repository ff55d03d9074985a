/**
 * SQL for statements that find rows of a queue by their key, whatever the planner knows of the table. A plan is kept until
 * the table is analysed, and two others look cheaper to it, and are not: reading through the table, which was small when
 * the first row came; and the partial indexes of rows that wait or are being worked on, in which each row leaves a dead
 * entry until the next vacuum.
 *
 * The input is ordered by the key as well: so are the locks then, and two batches that meet the same rows in two
 * processes wait for each other, and do not end as a deadlock.
 */

/** True of every row of the input. It makes the planner expect one, where a hundred is what it takes a function to return. */
export const isRow = "i = abs(i)";

/** A text column as an expression, for which no index is taken. */
export const unindexed = (column: string): string => `${column} || ''`;
