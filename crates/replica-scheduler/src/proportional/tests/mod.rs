mod book;
mod cases;
mod division;
mod held;
mod spread;
mod sticky;
mod tables;
