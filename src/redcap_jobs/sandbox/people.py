"""Made-up people: names from lists, phone numbers from the range kept free for fiction."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


def names(text: str) -> tuple[str, ...]:
    """Return the words of a text: lists of names read better without quotes."""
    return tuple(text.split())


ENGLISH_PARENTS = names(
    "Alice Andre Angela Anthony Brianna Caleb Christine Claire Danielle Darnell Denise Derek "
    "Elaine Emily Ethan Faith Felicia Grace Hannah Heather Ian Imani Jasmine Jerome Joan Julia "
    "Karen Kevin Latoya Laura Linda Malik Marcus Megan Melissa Monique Naomi Nicole Olivia "
    "Patrick Paula Rachel Rebecca Sarah Sean Shanice Stephanie Tamara Tiffany Vanessa Victor Wendy"
)
SPANISH_PARENTS = names(
    "Adriana Alejandra Ana Andrés Beatriz Carlos Carmen Carolina Catalina Claudia Daniela Diego "
    "Elena Esperanza Fernanda Francisco Gabriela Gloria Guadalupe Inés Isabel Jesús Jimena Jorge "
    "José Juana Leticia Lorena Lourdes Lucía Luis Luz Magdalena Manuel Marisol María Miguel Mónica "
    "Noemí Paloma Patricia Pilar Raúl Rocío Rosa Santiago Silvia Sofía Teresa Verónica Ximena Yolanda"
)
ENGLISH_SURNAMES = names(
    "Adams Allen Baker Barnes Bell Brooks Brown Campbell Carter Clark Coleman Collins Cooper "
    "Davis Edwards Evans Foster Gray Green Hall Harris Hayes Henderson Hill Howard Hughes Jackson "
    "Johnson Jones Kelly King Lee Lewis Long Martin Miller Mitchell Moore Murphy Nelson O'Brien "
    "Parker Perry Phillips Reed Robinson Ross Scott Smith Taylor Thomas Turner Walker Washington "
    "White Williams Wilson Wood Wright Young"
)
SPANISH_SURNAMES = names(
    "Acosta Aguilar Álvarez Castillo Castro Chávez Cruz Delgado Díaz Domínguez Espinoza Fernández "
    "Figueroa Flores Fuentes García Gómez González Guerrero Gutiérrez Hernández Herrera Ibáñez "
    "Jiménez Juárez López Luna Maldonado Martínez Medina Méndez Mendoza Molina Morales Muñoz "
    "Núñez Ortega Ortiz Peña Pérez Quiñones Ramírez Ramos Reyes Rivera Rodríguez Rojas Romero "
    "Rosario Salazar Sánchez Santana Santos Soto Suárez Torres Valdez Vargas Vásquez Vega Zúñiga"
)
ENGLISH_GIRLS = names("Ava Chloe Ella Emma Isabella Lily Mia Nora Ruby Zoe Aaliyah Harper")
ENGLISH_BOYS = names("Aiden Benjamin Elijah Henry Isaac Jayden Liam Mason Noah Owen Theo Wyatt")
SPANISH_GIRLS = names("Alma Camila Emilia Jazmín Lucía Mariana Renata Salma Valentina Ximena")
SPANISH_BOYS = names("Ángel Emiliano Gael Iván Joaquín Leonardo Mateo Rafael Sebastián Tomás")

MASSACHUSETTS = (617, 857, 781, 339, 508, 774, 978, 351, 413)
AREAS = (
    *MASSACHUSETTS,
    *(code for code in range(201, 990) if code % 100 != 11 and code not in MASSACHUSETTS),
)
"""Area codes, those around Boston first; each has a hundred numbers 555-0100 to 555-0199."""


@dataclass(frozen=True)
class Household:
    """A parent or guardian with a phone, as the enrolment form holds them."""

    first_name: str
    last_name: str
    phone: str
    email: str
    spanish: bool


def fictitious_phone(number: int) -> str:
    """Return phone number ``number`` (from 0) as REDCap's ``phone`` validation stores it."""
    area = AREAS[number // 100 % len(AREAS)]
    return f"({area}) 555-01{number * 37 % 100:02d}"


def household(number: int, random: Random) -> Household:
    """Return a made-up household; two of them never share a phone or an e-mail address."""
    spanish = random.random() < 0.42
    first = random.choice(SPANISH_PARENTS if spanish else ENGLISH_PARENTS)
    last = random.choice(SPANISH_SURNAMES if spanish else ENGLISH_SURNAMES)
    return Household(
        first, last, fictitious_phone(number), f"parent{number + 1}@example.org", spanish
    )


def child(household: Household, random: Random) -> tuple[str, str]:
    """Return a child's first name and the code of ``child_gender``."""
    girl = random.random() < 0.5
    if household.spanish:
        first_names = SPANISH_GIRLS if girl else SPANISH_BOYS
    else:
        first_names = ENGLISH_GIRLS if girl else ENGLISH_BOYS
    told = random.random() < 0.97
    return random.choice(first_names), ("1" if girl else "2") if told else "3"
