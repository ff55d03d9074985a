/**
 * A window is counted in slices. Those of a window's length before now, and the one that has only partly left it, count
 * together: so a point counts for up to a slice longer than the window, and never for less.
 */
export const slicesPerWindow = 60;
